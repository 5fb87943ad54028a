"""A function called by somebody without rights on the files of this test."""

import os
from collections.abc import Callable

from bazaar.cluster.exits import ClusterError
from bazaar.settings.env import SettingsError

WITHOUT_RIGHTS_UID = 65534 if os.geteuid() == 0 else os.geteuid()
"""Root may read everything, so it becomes nobody; others have no rights at a mode of 0."""


def refusal_without_rights(function: Callable[[], object]) -> str:
    """Return the sentence with which a function refuses somebody without rights; it may be none."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setuid(WITHOUT_RIGHTS_UID)
            function()
        except (ClusterError, SettingsError) as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as answer:
        return answer.read()
