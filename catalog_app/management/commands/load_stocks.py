"""`manage.py load_stocks SET`: list a shipped set of stocks."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from catalog_app import selectors, services


class Command(BaseCommand):
    """List the stocks of a shipped set in an empty catalog."""

    help = "List the stocks of a shipped set; a catalog that has stocks is left as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the name of the set."""
        parser.add_argument("name", choices=services.STOCK_SETS)
        parser.add_argument(
            "--ask-all",
            action="store_true",
            help="have all replicas answer before the catalog decides: the cluster is not new",
        )
        parser.add_argument("--migrate", action="store_true", help="make the tables first")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load it and say what was done."""
        if options["migrate"]:
            call_command("migrate", verbosity=0)
        loaded = services.load_stocks(name=options["name"], asks_all=options["ask_all"])
        if loaded:
            self.stdout.write(f"{loaded} stocks listed from {options['name']}.")
        else:
            self.stdout.write(f"The catalog has {selectors.count_stocks()} stocks already.")
