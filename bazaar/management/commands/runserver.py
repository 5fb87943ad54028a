"""`manage.py runserver`: the role of the settings by hand, on its own port."""

from typing import Any

import msgspec
from django.conf import settings
from django.contrib.staticfiles.management.commands.runserver import Command as Runserver
from django.core.management.base import CommandError

from bazaar.cluster.ports import PortTaken, check_free
from bazaar.topology import process_name
from bazaar.web.serving import DevelopmentServer


class Command(Runserver):
    """
    Django's reloader around our own server, by default on the role's own port.

    Background loops start when the server imports `bazaar.wsgi`, so never in the reloader's parent.
    """

    server_cls = DevelopmentServer  # type: ignore[assignment]
    help = "Run one role with Django's development server, by default on the role's own port."

    def handle(self, *args: Any, **options: Any) -> None:
        """Check role and ports, then serve; a refusal is one sentence, exit status 2."""
        if settings.BAZAAR_ROLE is None:
            raise CommandError(
                "Which role? Give --settings bazaar.settings.ROLE, where ROLE is catalog, order_1, "
                "order_2, order_3, frontend or dashboard.",
                returncode=2,
            )
        node = settings.BAZAAR_NODE
        self.default_addr, self.default_port = node.listen_host, str(node.port)
        given = (options["addrport"] or "").rpartition(":")[2]
        if given.isascii() and given.isdigit():
            node = msgspec.structs.replace(node, port=int(given))
        try:
            check_free(process_name(settings.BAZAAR_ROLE, node.id), node)
        except PortTaken as error:
            raise CommandError(str(error), returncode=2) from error
        super().handle(*args, **options)
