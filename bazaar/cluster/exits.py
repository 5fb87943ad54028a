"""The exit codes of the commands that drive, audit and evaluate a cluster."""

OK = 0
ERRORS = 1
"""More operations failed than the limit allows."""
USAGE = 2
"""The command was asked for something that cannot be: an option, a file, a folder."""
INCONSISTENT = 3
"""The system broke a promise, or an answer does not match what was kept."""
UNREACHABLE = 4
"""No server answered."""
THRESHOLD = 99
"""A threshold that the caller set was missed."""
INTERRUPTED = 130
"""Ended by Ctrl-C."""
