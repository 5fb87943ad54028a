"""`manage.py client`: query stocks, trade, look orders up and check them."""

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from bazaar.client.client import Client
from bazaar.client.exchange import Timeouts
from bazaar.cluster import exits
from bazaar.cluster.arguments import (
    ACCESS_HELP,
    list_urls,
    read_choice,
    read_dialect,
    read_environ,
    read_number,
    read_whole,
)
from bazaar.cluster.exits import CommandFailed
from bazaar.core.types import ORDER_NO_MAX, QUANTITY_MAX, TradeType
from bazaar.management.client import prompt
from bazaar.management.client.order_file import FILE_NAME, OrderCheck, OrderFile, read_orders
from bazaar.management.client.session import ClientSession
from bazaar.management.client.simulation import SimulationPlan, find_names, simulate
from bazaar.management.one_line import OneLineCommand, OneLineParser
from bazaar.settings import client_access, env

TIMES_MAX = 10_000
LISTED_MAX = 10_000
REQUESTS_MAX = 1_000_000
SEED_MAX = 2**63 - 1
DEADLINE_S_MAX = 3600.0
SILENCE_S = 5.0
"""Without a connection, after which no front end is taken to be there."""
_DEFAULTS = {
    "data": None,
    "urls": None,
    "token": None,
    "dialect": "v1",
    "deadline": "30",
    "output": "text",
    "is_quiet": False,
}


class Command(OneLineCommand):
    """Parse, then call `bazaar.management.client`."""

    help = (
        "Ask a front end, trade, simulate a trader and check its orders. Without a mode it asks "
        "you. Exit status: 0 all well, 1 something failed, 2 wrong arguments, 3 an order differs, "
        "4 nobody answers, 130 interrupted."
    )

    def declare(self, parser: CommandParser) -> None:
        """Declare the modes."""
        _add_shared(parser)
        _add_modes(parser)

    def run(self, options: dict[str, Any]) -> int:
        """Run one mode, or prompt for them."""
        options = {**_DEFAULTS, **options}
        read_choice("--output", options["output"], ("text", "json"))
        deadline_s = read_number("--deadline", options["deadline"], 0.1, DEADLINE_S_MAX)
        environ = read_environ(os.environ, options)
        timeouts = Timeouts(deadline_s=deadline_s, silence_s=SILENCE_S)
        urls, dialect = list_urls(environ, options["urls"] or ()), read_dialect(options["dialect"])
        token = client_access.read_token(environ, options["token"])
        with Client(urls, timeouts, token, dialect) as client:
            options["orders_path"] = env.read_data_dir(environ) / FILE_NAME
            if options["mode"] is not None:
                return self._run_mode(client, options)
            return self._prompt(client, options)

    def _prompt(self, client: Client, options: dict[str, Any]) -> int:
        parser = OneLineParser(prog="client", add_help=False)
        _add_modes(parser)

        def run(words: Sequence[str]) -> int:
            try:
                given = vars(parser.parse_args(words))
            except CommandError as error:
                raise CommandFailed(str(error)) from error
            return self._run_mode(client, {**options, **given})

        if sys.stdin.isatty():
            import readline  # noqa: F401, PLC0415 - makes `input` remember lines
        return prompt.run_prompt(_read_line, run, self.stdout.write)

    def _run_mode(self, client: Client, options: dict[str, Any]) -> int:
        """Run one mode, and print its results even when it is interrupted."""
        mode, is_json = options["mode"], options["output"] == "json"
        is_quiet = options["is_quiet"]
        session = ClientSession(client, mode, self.stdout.write, is_json=is_json, is_quiet=is_quiet)
        try:
            status: int = getattr(self, f"do_{mode}")(session, options)
        except (CommandFailed, KeyboardInterrupt):
            if session.has_called:
                session.end()
            raise
        session.end()
        return status

    def do_query(self, session: ClientSession, options: dict[str, Any]) -> int:
        """Look a stock up."""
        name = _read_name(options["stock"])
        for _ in range(_read_times(options)):
            session.query(name, is_fresh=options["is_fresh"])
        return _status(session)

    def do_order(self, session: ClientSession, options: dict[str, Any]) -> int:
        """Look an order up."""
        order_no = read_whole("NO", options["order_no"], 1, ORDER_NO_MAX)
        for _ in range(_read_times(options)):
            session.order(order_no, is_fresh=options["is_fresh"])
        return _status(session)

    def do_trace(self, session: ClientSession, options: dict[str, Any]) -> int:
        """Follow one trade through every process."""
        key, number = _read_key(options["key"]), options["order_no"]
        if (key is None) == (number is None):
            raise CommandFailed("trace takes the number of an order, or --key UUID.")
        session.trace(key or read_whole("NO", number, 1, ORDER_NO_MAX))
        return _status(session)

    def do_stocks(self, session: ClientSession, options: dict[str, Any]) -> int:
        """List stocks."""
        session.list_stocks(_read_name(options["text"] or "", "TEXT"), _read_limit(options))
        return _status(session)

    def do_orders(self, session: ClientSession, options: dict[str, Any]) -> int:
        """List orders."""
        trade_type = _read_type(options["trade_type"]) if options["trade_type"] else None
        name = _read_name(options["stock"]) if options["stock"] else None
        session.list_orders(name, trade_type, _read_limit(options))
        return _status(session)

    def do_trade(self, session: ClientSession, options: dict[str, Any]) -> int:
        """Place trades."""
        name, key = _read_name(options["stock"]), _read_key(options["key"])
        quantity = read_whole("QTY", options["quantity"], 1, QUANTITY_MAX)
        trade_type, times = _read_type(options["trade_type"]), _read_times(options)
        if key and times > 1:
            raise CommandFailed("--key names one trade, so it does not go with -n.")
        for _ in range(times):
            session.trade(name, trade_type, quantity, key)
        return _status(session)

    def do_simulate(self, session: ClientSession, options: dict[str, Any]) -> int:
        """Query and trade at random; store the orders."""
        requests = read_whole("--requests", options["requests"], 1, REQUESTS_MAX)
        share = read_number("--p", options["p"], 0.0, 1.0)
        seed = _read_seed(options["seed"])
        names = find_names(session.client, options["stocks"])
        file = OrderFile(_orders_path(options), is_new=options["is_new"])
        session.facts |= {"requests": requests, "p": share, "seed": seed}
        session.facts |= {"orders_file": str(file.path), "kept": 0}
        try:
            for order in simulate(SimulationPlan(names, requests, share, seed), session):
                file.append(order)
                session.facts["kept"] = file.count
        finally:
            file.close()
            session.conclude(f"seed {seed}: {file.count} orders kept in {file.path}")
        return _status(session)

    def do_check(self, session: ClientSession, options: dict[str, Any]) -> int:
        """Compare the stored orders with the server's."""
        check = OrderCheck(session)
        try:
            return check.run(read_orders(_orders_path(options)))
        finally:
            session.facts.update(check.facts())


def _add_shared(parser: CommandParser) -> None:
    """Declare what goes before the mode, and after it."""
    none = argparse.SUPPRESS
    parser.add_argument(
        "--url", metavar="URL", dest="urls", action="append", default=none, help=_URL
    )
    parser.add_argument("--data", metavar="DIR", default=none, help="data folder (var/)")
    parser.add_argument("--token", metavar="TOKEN", default=none, help=ACCESS_HELP)
    parser.add_argument(
        "--dialect", metavar="NAME", default=none, help="seed, course or v1, which is the default"
    )
    parser.add_argument("--deadline", metavar="S", default=none, help="seconds a question (30)")
    parser.add_argument("-o", "--output", metavar="FORM", default=none, help="text or json")
    parser.add_argument(
        "-q", "--quiet", dest="is_quiet", action="store_true", default=none, help="only the end"
    )


_URL = "a front end, for instance http://127.0.0.1:30001; repeat it for several"


def _add_modes(parser: CommandParser) -> None:
    shared, many, fresh, file, page = (CommandParser(add_help=False) for _ in range(5))
    _add_shared(shared)
    many.add_argument("-n", "--times", metavar="N", default="1", help="how many times (1)")
    fresh.add_argument("--no-cache", dest="is_fresh", action="store_true", help="past memory")
    file.add_argument("--orders", metavar="FILE", help=f"kept orders (DIR/{FILE_NAME})")
    page.add_argument("--limit", metavar="N", default="50", help="how many at most (50)")
    modes = parser.add_subparsers(dest="mode", metavar="MODE")
    one = modes.add_parser("query", parents=[shared, many, fresh], help="look a stock up")
    one.add_argument("stock", metavar="STOCK")
    one = modes.add_parser("order", parents=[shared, many, fresh], help="look an order up")
    one.add_argument("order_no", metavar="NO")
    one = modes.add_parser("trace", parents=[shared], help="follow a trade through every process")
    one.add_argument("order_no", metavar="NO", nargs="?", help="the number of its order")
    one.add_argument("--key", metavar="UUID", help="its key, be it placed or not")
    one = modes.add_parser("stocks", parents=[shared, page], help="list stocks by name")
    one.add_argument("text", metavar="TEXT", nargs="?", help="what their names contain")
    one = modes.add_parser("orders", parents=[shared, page], help="list orders, newest first")
    one.add_argument("--stock", metavar="STOCK", help="of this stock")
    one.add_argument("--type", dest="trade_type", metavar="buy|sell", help="of this type")
    one = modes.add_parser("trade", parents=[shared, many], help="buy or sell shares")
    one.add_argument("stock", metavar="STOCK")
    one.add_argument("trade_type", metavar="buy|sell")
    one.add_argument("quantity", metavar="QTY", help="shares")
    one.add_argument("--key", metavar="UUID", help="repeat the trade that has this key")
    one = modes.add_parser("simulate", parents=[shared, file], help="look up and trade at random")
    one.add_argument("--requests", metavar="N", default="100", help="look-ups (100)")
    one.add_argument("--p", metavar="P", default="0.5", help="how likely each trades (0.5)")
    one.add_argument("--seed", metavar="S", help="draw the same trades again")
    one.add_argument("--stocks", metavar="NAME", help="asterix or sp500; what the catalog has")
    one.add_argument("--new", dest="is_new", action="store_true", help="forget kept orders")
    modes.add_parser("check", parents=[shared, file], help="compare the kept orders")


def _read_line(prompt: str) -> str:
    """Return a line from the terminal, or from a file. Raises EOFError."""
    if sys.stdin.isatty():
        return input(prompt)
    if line := sys.stdin.readline():
        return line
    raise EOFError


def _status(session: ClientSession) -> int:
    return exits.ERRORS if session.errors else exits.OK


def _orders_path(options: dict[str, Any]) -> Path:
    return Path(options["orders"] or options["orders_path"])


def _read_times(options: dict[str, Any]) -> int:
    return read_whole("-n", options["times"], 1, TIMES_MAX)


def _read_limit(options: dict[str, Any]) -> int:
    return read_whole("--limit", options["limit"], 1, LISTED_MAX)


def _read_name(text: str, option: str = "STOCK") -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CommandFailed(f"{option} must be text in UTF-8, not {text!r}.") from error
    return text


def _read_type(text: str) -> TradeType:
    try:
        return TradeType(text)
    except ValueError as error:
        raise CommandFailed(f"A trade is buy or sell, not {text!r}.") from error


def _read_key(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text is not None else None
    except ValueError as error:
        raise CommandFailed(f"--key must be a UUID, not {text!r}.") from error


def _read_seed(text: str | None) -> int:
    if text is None:
        return secrets.randbelow(10**6)
    return read_whole("--seed", text, 0, SEED_MAX)
