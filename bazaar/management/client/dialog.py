"""`manage.py client` without a mode: a person says one line after the other."""

import contextlib
import shlex
from collections.abc import Callable, Sequence

from bazaar.cluster import exits
from bazaar.cluster.errors import ClusterError, Ended

HELP = """\
query STOCK [-n N]                  look a stock up; quote a name with spaces in it
order NO [-n N]                     look an order up
trade STOCK buy|sell QTY [-n N]     place a trade
simulate [--requests N] [--p P]     look stocks up and trade, at random
check                               hold the simulation's orders against the server's
help, quit                          MODE -h tells more"""
PROMPT = "bazaar> "
LAST_WORDS = ("quit", "exit", "q")


def converse(
    read_line: Callable[[str], str],
    do: Callable[[Sequence[str]], int],
    write: Callable[[str], object],
) -> int:
    """
    Do what each line says, and go on after what cannot be done; return the exit code.

    read_line: is given the prompt, raises EOFError at the end. do: runs one mode, raises Ended.
    """
    write(HELP)
    while True:
        try:
            words = shlex.split(read_line(PROMPT))
        except EOFError:
            write("")
            return exits.OK
        except ValueError as error:  # a quote that does not end
            write(f"{error}.")
            continue
        if not words:
            continue
        if words[0] in LAST_WORDS:
            return exits.OK
        if words[0] == "help":
            write(HELP)
            continue
        # -h ends the parser after it has printed.
        with contextlib.suppress(SystemExit):
            _do_one(words, do, write)


def _do_one(
    words: Sequence[str], do: Callable[[Sequence[str]], int], write: Callable[[str], object]
) -> None:
    try:
        do(words)
    except (Ended, ClusterError) as error:
        write(str(error))
    except KeyboardInterrupt:
        write("interrupted")
