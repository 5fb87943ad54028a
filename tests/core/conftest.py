"""How hypothesis runs here: enough examples to matter, few enough to stay fast."""

from hypothesis import settings

settings.register_profile("bazaar", deadline=None, max_examples=60)
settings.load_profile("bazaar")
