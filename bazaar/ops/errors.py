"""What the cluster commands refuse or fail to do."""


class ClusterError(Exception):
    """The operator's wish cannot be done; the message is one sentence for the terminal."""


class ClusterDown(ClusterError):  # noqa: N818 - it is a fact about the world
    """No supervisor answers for this data folder."""


class ClusterStopping(ClusterDown):
    """The supervisor is on its way down."""


class Interrupted(Exception):  # noqa: N818 - the operator wished it
    """The operator asked `cluster up` to end while it was still starting."""
