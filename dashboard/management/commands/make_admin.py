"""`manage.py make_admin --settings bazaar.settings.dashboard`: the first user."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from dashboard import services, wiring


class Command(BaseCommand):
    """Make the first user, print the password once, and store it in a file."""

    help = "Make a dashboard's first user; where there are users, nothing is done."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether there may be no tables yet."""
        parser.add_argument("--migrate", action="store_true", help="make the tables first")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the user and print the result."""
        if options["migrate"]:
            call_command("migrate", verbosity=0)
        path = wiring.password_path()
        password = services.make_admin(password_path=path)
        if password is None:
            self.stdout.write("There are users already.")
        else:
            self.stdout.write(f"sign in as {services.ADMIN_NAME} with {password} (also in {path})")
