"""The forms that change something: each is checked, then carried out."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django import forms

from bazaar.core.types import STOCK_NAME_CHARS_MAX, TradeType
from dashboard import wiring

QUANTITY_MAX = 2**63 - 1
PRICE_DIGITS, PRICE_PLACES = 18, 4
SELF = "dashboard"
FAULT_VERBS = ("kill", "pause", "resume", "restart")
SELF_FAULT_VERBS = ("restart",)
"""Killed or paused from its own page, the dashboard could not be brought back from there."""


class FaultRefused(Exception):  # noqa: N818 - as all our exceptions are named
    """A fault was refused or could not be injected; the message says why."""


class ActionForm(forms.Form):
    """A form that changes something."""

    path: ClassVar[str]
    """Where it is sent."""
    page: ClassVar[str]
    """The page that it is on, which shows the result."""
    permission: ClassVar[str]
    """What it takes to send it, one of `models.PERMISSIONS`."""
    audit_name: ClassVar[str]

    def target(self) -> str:
        """Return what it acts on, for the audit."""
        return str(self.cleaned_data["stock_name"])

    def find_way_back(self) -> str:
        """Return the address of its page, once it was checked."""
        return self.page

    def carry_out(self) -> str:
        """Do it and return one sentence. Raises Failure, ClientError, FaultRefused."""
        raise NotImplementedError


class TradeAction(ActionForm):
    """Buy or sell, at a front end like any client."""

    path, page = r"^stocks/trade/?$", "/stocks"
    permission = audit_name = "trade"
    stock_name = forms.CharField(max_length=STOCK_NAME_CHARS_MAX, strip=False)
    trade_type = forms.ChoiceField(choices=[(kind.value, kind.value) for kind in TradeType])
    quantity = forms.IntegerField(min_value=1, max_value=QUANTITY_MAX)

    def target(self) -> str:
        """Return the whole trade."""
        data = self.cleaned_data
        return f"{data['trade_type']} {data['quantity']} {data['stock_name']}"

    def carry_out(self) -> str:
        """Place the order."""
        return self.place(uuid4())

    def place(self, key: UUID) -> str:
        """Place the order with a key."""
        data = self.cleaned_data
        kind = TradeType(data["trade_type"])
        order = wiring.public_client().trade(data["stock_name"], kind, data["quantity"], key)
        return f"Order {order.order_no} is placed."


class WatchedTradeAction(TradeAction):
    """Buy or sell, and go to the trace of the trade."""

    path, page = r"^trace/trade/?$", "/trace"
    followed = ""
    """The trade that was sent: the number of its order, or its key."""

    def find_way_back(self) -> str:
        """Return the address of the trade's trace."""
        return f"{self.page}?{urlencode({'q': self.followed})}" if self.followed else self.page

    def carry_out(self) -> str:
        """Place the order."""
        key = uuid4()
        self.followed = str(key)
        return self.place(key)


class PriceAction(ActionForm):
    """Change a price, at the catalog, which invalidates every cache first."""

    path, page = r"^stocks/price/?$", "/stocks"
    permission, audit_name = "change_price", "price"
    stock_name = forms.CharField(max_length=STOCK_NAME_CHARS_MAX, strip=False)
    price = forms.DecimalField(
        min_value=Decimal("0.0001"), max_digits=PRICE_DIGITS, decimal_places=PRICE_PLACES
    )

    def carry_out(self) -> str:
        """Change it."""
        name, price = self.cleaned_data["stock_name"], self.cleaned_data["price"]
        stock = wiring.catalog().change_price(name, price)
        return f"{stock.name} costs {stock.price} now, version {stock.version}."


class EvictAction(ActionForm):
    """Make a front end drop a stock from its cache; the next read asks the catalog."""

    path, page = r"^cache/evict/?$", "/cache"
    permission = audit_name = "evict"
    stock_name = forms.CharField(max_length=STOCK_NAME_CHARS_MAX, strip=False)
    front_end = forms.TypedChoiceField(
        coerce=int, choices=lambda: [(number, number) for number in wiring.front_ends()]
    )

    def carry_out(self) -> str:
        """Evict it from every process of the front end."""
        name, number = self.cleaned_data["stock_name"], self.cleaned_data["front_end"]
        for client in wiring.list_processes(number):
            client.remove(name)
        return f"Front end {number} has dropped {name}."


def _process_choices() -> Iterator[tuple[str, str]]:
    return ((name, name) for name, _ in wiring.topology().nodes())


class FaultAction(ActionForm):
    """Break or mend one process; the dashboard itself can only be restarted."""

    path, page = r"^faults/?$", "/"
    permission, audit_name = "inject_fault", "fault"
    verb = forms.ChoiceField(choices=[(verb, verb) for verb in FAULT_VERBS])
    name = forms.ChoiceField(choices=_process_choices)

    def clean(self) -> dict[str, Any]:
        """Refuse what the dashboard could not undo: its page would be gone."""
        data = self.cleaned_data
        if data.get("name") == SELF and data.get("verb") not in SELF_FAULT_VERBS:
            raise forms.ValidationError("The dashboard can only be restarted from its own page.")
        return data

    def target(self) -> str:
        """Return the verb and the process."""
        return f"{self.cleaned_data['verb']} {self.cleaned_data['name']}"

    def find_way_back(self) -> str:
        """Return the address of the page with the same process chosen."""
        name = self.cleaned_data.get("name")
        return f"{self.page}?{urlencode({'process': name})}" if name else self.page

    def carry_out(self) -> str:
        """Inject the fault."""
        try:
            return wiring.fault_injector()(self.cleaned_data["verb"], self.cleaned_data["name"])
        finally:
            wiring.collector().poll_faster()


ACTIONS: tuple[type[ActionForm], ...] = (
    EvictAction,
    PriceAction,
    TradeAction,
    WatchedTradeAction,
)
FORMS_BY_ENDPOINT = {
    "/orders": "dashboard/forms/trade.html",
    "/price": "dashboard/forms/price.html",
    "/rm": "dashboard/forms/evict.html",
}
"""The form shown with an endpoint of another process that does the same."""
