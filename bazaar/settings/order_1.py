"""Order replica 1 of the default three."""

import os

os.environ["BAZAAR_REPLICA_ID"] = "1"

from bazaar.settings.order import *  # noqa: F403
