"""How commands end: exit statuses, and exceptions with a sentence to print."""

OK = 0
ERRORS = 1
"""More operations failed than the limit allows."""
USAGE = 2
"""The request is impossible: a wrong option, file or folder."""
INCONSISTENT = 3
"""The system broke a promise, or an answer differs from the stored one."""
UNREACHABLE = 4
"""No server answered."""
THRESHOLD = 99
"""A threshold that the caller set was missed."""
INTERRUPTED = 130
"""Ended by Ctrl-C."""


class CommandFailed(Exception):  # noqa: N818 - it is how a command ends
    """A command cannot go on; the message is one sentence, `status` its exit status."""

    def __init__(self, message: str, status: int = USAGE) -> None:
        super().__init__(message)
        self.status = status


class ClusterError(CommandFailed):
    """The cluster cannot do what the operator requested."""


class ClusterDown(ClusterError):  # noqa: N818 - it is a fact about the world
    """No supervisor answers for this data folder."""


class ClusterSilent(ClusterDown):
    """A supervisor runs, but does not answer: its socket is gone, for instance."""


class ClusterStopping(ClusterDown):
    """The supervisor is stopping everything."""


class Interrupted(Exception):  # noqa: N818 - the operator requested it
    """The operator ended `cluster up` while it was still starting."""
