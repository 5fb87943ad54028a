"""The prompt of `manage.py client` without a mode: one mode on each line."""

import contextlib
import shlex
from collections.abc import Callable, Sequence

from bazaar.cluster import exits
from bazaar.cluster.exits import CommandFailed

HELP = """\
query STOCK [-n N]                  look a stock up; quote a name with spaces in it
order NO [-n N]                     look an order up
trace NO | --key UUID               follow a trade through every process
stocks [TEXT] [--limit N]           list stocks, those with TEXT in their names
orders [--stock S] [--type T]       list orders, the newest first
trade STOCK buy|sell QTY [-n N]     place a trade
simulate [--requests N] [--p P]     look stocks up and trade, at random
check                               hold the simulation's orders against the server's
help, quit                          MODE -h tells more"""
PROMPT = "bazaar> "
LAST_WORDS = ("quit", "exit", "q")


def run_prompt(
    read_line: Callable[[str], str],
    run: Callable[[Sequence[str]], int],
    write: Callable[[str], object],
) -> int:
    """
    Run the mode of each line, and go on after a mistake; return the exit status.

    read_line: takes the prompt, raises EOFError at the end. run: one mode, raises CommandFailed.
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
            _run_one(words, run, write)


def _run_one(
    words: Sequence[str], run: Callable[[Sequence[str]], int], write: Callable[[str], object]
) -> None:
    try:
        run(words)
    except CommandFailed as error:
        write(str(error))
    except KeyboardInterrupt:
        write("interrupted")
