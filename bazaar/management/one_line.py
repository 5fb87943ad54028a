"""The base of commands: every refusal is one line and an exit status."""

import os
import sys
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bazaar.cluster.exits import ERRORS, INTERRUPTED, USAGE, CommandFailed
from bazaar.settings.env import SettingsError


class OneLineParser(CommandParser):
    """A parser of a command and its verbs; a refusal does not print the usage."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and exit; raise CommandError when called by a program."""
        if self.called_from_command_line:
            self.exit(USAGE, f"{self.prog}: {message}\n")
        raise CommandError(message, returncode=USAGE)


class OneLineCommand(BaseCommand):
    """A command whose `run` returns an exit status; every refusal is one line."""

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.__class__ = OneLineParser  # Django leaves no choice; verbs get parsers of this class
        self.declare(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, and exit with the status."""
        del args
        try:
            status = self.run(options)
            self.stdout.flush()
        except CommandFailed as error:
            raise CommandError(str(error), returncode=error.status) from error
        except SettingsError as error:
            raise CommandError(str(error), returncode=USAGE) from error
        except BrokenPipeError:  # the reader of our output, such as `head`, has ended
            _forget_output()
            return
        except OSError as error:  # a full disk behind our output, for instance
            if error.filename is None:
                _forget_output()
            raise CommandError(describe(error), returncode=ERRORS) from error
        except KeyboardInterrupt:
            status = INTERRUPTED
        if status:
            sys.exit(status)

    def declare(self, parser: CommandParser) -> None:
        """Declare the arguments of this command."""
        raise NotImplementedError

    def run(self, options: dict[str, Any]) -> int:
        """Do it; return the exit status. Raises CommandFailed, SettingsError."""
        raise NotImplementedError


def describe(error: OSError) -> str:
    """Return what the system refuses as a sentence that names the file."""
    if error.filename is None:
        return f"{error.strerror or error}."
    return f"{error.filename}: {error.strerror}."


def _forget_output() -> None:
    """Discard what the interpreter flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
