"""What the commands refuse or fail to do."""

from bazaar.cluster.exits import USAGE


class ClusterError(Exception):
    """The operator's wish cannot be done; the message is one sentence for the terminal."""


class ClusterDown(ClusterError):  # noqa: N818 - it is a fact about the world
    """No supervisor answers for this data folder."""


class ClusterStopping(ClusterDown):
    """The supervisor is on its way down."""


class Interrupted(Exception):  # noqa: N818 - the operator wished it
    """The operator asked `cluster up` to end while it was still starting."""


class Ended(Exception):  # noqa: N818 - it is how a command ends
    """A command cannot go on; the message is one sentence, `status` its exit code."""

    def __init__(self, message: str, status: int = USAGE) -> None:
        super().__init__(message)
        self.status = status
