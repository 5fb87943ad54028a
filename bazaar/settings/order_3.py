"""Order replica 3 of the default three."""

import os

os.environ["BAZAAR_REPLICA_ID"] = "3"

from bazaar.settings.order import *  # noqa: F403
