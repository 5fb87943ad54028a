"""Order replica 2 of the default three."""

import os

os.environ["BAZAAR_REPLICA_ID"] = "2"

from bazaar.settings.order import *  # noqa: F403
