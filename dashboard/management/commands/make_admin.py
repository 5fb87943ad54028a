"""`manage.py make_admin --settings bazaar.settings.dashboard`: the first user."""

from typing import Any

from django.core.management.base import BaseCommand

from dashboard import services, wiring


class Command(BaseCommand):
    """Make the first user, print the password once, and store it in a file."""

    help = "Make a dashboard's first user; where there are users, nothing is done."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the user and print the result."""
        path = wiring.password_path()
        password = services.make_admin(password_path=path)
        if password is None:
            self.stdout.write("There are users already.")
        else:
            self.stdout.write(f"sign in as {services.ADMIN_NAME} with {password} (also in {path})")
