"""`manage.py prepare --settings bazaar.settings.ROLE`: a database on a server."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection

from bazaar.runtime import engines
from bazaar.topology import Role

_TABLES: dict[Role | None, str] = {Role.CATALOG: "catalog_app_stock", Role.DASHBOARD: "auth_user"}
"""What is empty as long as nothing was filled in."""
_LOGS: dict[Role | None, str] = {
    Role.CATALOG: "catalog_app_stockchange",
    Role.ORDER: "order_app_stockchange",
}


class Command(BaseCommand):
    """Make the tables of a role, and give them their first rows."""

    help = "Make a role's tables on the server of its database; `cluster init` does it for all."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what an empty catalog lists, and whether the database has to be empty."""
        parser.add_argument("--stocks", help="the set that an empty catalog lists")
        parser.add_argument(
            "--ask-all", action="store_true", help="have it ask all replicas, if it lists stocks"
        )
        parser.add_argument("--anew", action="store_true", help="refuse a database with entries")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look at the server, make the tables, and say what was done."""
        # Tables that are changed may take longer than any answer to a process that serves.
        connection.settings_dict["OPTIONS"].pop("read_timeout", None)
        fault, warning = self._look()
        if fault:
            raise CommandError(fault)
        if warning:
            self.stdout.write(warning)
        if options["anew"] and self._has_rows(_LOGS.get(settings.BAZAAR_ROLE, "")):
            raise CommandError(
                "It has entries already. Give this process an empty database on the server, and "
                "name that in the description of the cluster."
            )
        call_command("migrate", verbosity=0, interactive=False)
        self.stdout.write("its database is ready")
        is_empty = not self._has_rows(_TABLES.get(settings.BAZAAR_ROLE, ""))
        if settings.BAZAAR_ROLE is Role.CATALOG and options["stocks"] and is_empty:
            asks_all = options["ask_all"]
            call_command("load_stocks", options["stocks"], ask_all=asks_all, stdout=self.stdout)
        elif settings.BAZAAR_ROLE is Role.DASHBOARD and is_empty:
            call_command("make_admin", stdout=self.stdout)

    def _look(self) -> tuple[str, str]:
        try:
            connection.ensure_connection()
            with connection.wrap_database_errors:
                return engines.current().prepare(connection)
        except OperationalError as error:
            reason = str(error).splitlines()[0]
            raise CommandError(f"The server of its database cannot be used: {reason}") from error

    def _has_rows(self, table: str) -> bool:
        """Tell whether a table is there and not empty."""
        if table not in connection.introspection.table_names():
            return False
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608 - our own names
            return cursor.fetchone() is not None
