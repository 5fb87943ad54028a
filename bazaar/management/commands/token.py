"""`manage.py token`: make, list and revoke the tokens that clients trade with."""

import os
from typing import Any

import msgspec
from django.core.management.base import CommandParser

from bazaar import clock
from bazaar.cluster import exits, tables, tokens
from bazaar.cluster.arguments import read_choice, read_environ
from bazaar.cluster.tokens import TokenList
from bazaar.core.access import AccessToken
from bazaar.management.one_line import OneLineCommand

_HELP = """
Make, list and revoke the tokens that clients trade with. Running front ends take a change up by
themselves within 2 s. Exit status: 0 done, 1 the file cannot be written, 2 wrong usage.
"""


class Command(OneLineCommand):
    """Parse, then call `bazaar.cluster.tokens`."""

    help = _HELP

    def declare(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        one = verbs.add_parser("create", help="make a token and print it, this once")
        one.add_argument("name", metavar="NAME", help="who trades with it; it is in their orders")
        one.add_argument("--scope", default="read,trade", help="read, trade or both (read,trade)")
        one.add_argument("--expires", metavar="TIME", help="such as 12h, 30d (never)")
        _add_data(one)
        one = verbs.add_parser("list", help="print all tokens, without the tokens themselves")
        one.add_argument("-o", "--output", default="table", help="table or json")
        _add_data(one)
        one = verbs.add_parser("revoke", help="make a token useless")
        one.add_argument("name", metavar="NAME", help="of the token")
        _add_data(one)

    def run(self, options: dict[str, Any]) -> int:
        """Run one verb. Raises CommandFailed, SettingsError, OSError."""
        known = TokenList(read_environ(os.environ, options))
        match options["verb"]:
            case "create":
                scopes = tokens.read_scopes(options["scope"])
                lifetime_s = tokens.read_lifetime(options["expires"])
                self.stdout.write(known.create(options["name"], scopes, lifetime_s))
                self.stderr.write(
                    "This token is shown once. Clients send it as `Authorization: Bearer TOKEN`."
                )
            case "list":
                self._list(known, read_choice("--output", options["output"], ("table", "json")))
            case "revoke":
                known.revoke(options["name"])
                self.stdout.write(f"{options['name']} is revoked")
        return exits.OK

    def _list(self, known: TokenList, output: str) -> None:
        now_s = clock.wall_s()
        rows = [_describe(one, now_s) for one in known.read().tokens]
        if output == "json":
            self.stdout.write(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
            return
        if not rows:
            self.stdout.write(f"There are no tokens in {known.path}.")
            return
        tables.open_console(self.stdout).print(tables.make_token_table(rows))


def _add_data(parser: CommandParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="data folder (BAZAAR_DATA_DIR, var/)")


def _describe(token: AccessToken, now_s: float) -> dict[str, str]:
    """Return a line of the list; nothing in it is secret."""
    return {
        "name": token.name,
        "scope": ",".join(token.scopes),
        "state": tokens.describe_state(token, now_s),
        "created": tokens.format_time(token.created_s),
        "expires": tokens.format_time(token.expires_s),
    }
