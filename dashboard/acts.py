"""What can be done from a page: each is a form that is checked, then carried out."""

from decimal import Decimal
from typing import Any, ClassVar

from django import forms

from bazaar.core.types import STOCK_NAME_CHARS_MAX, TradeType
from dashboard import faults, wiring

QUANTITY_MAX = 2**63 - 1
PRICE_DIGITS, PRICE_PLACES = 18, 4


class Act(forms.Form):
    """One thing that can be done."""

    action: ClassVar[str]
    """The word for it in the audit."""

    def target(self) -> str:
        """Return what it is done to."""
        return str(self.cleaned_data["stock_name"])

    def carry_out(self) -> str:
        """Do it and return one sentence. Raises Failure, ClientError."""
        raise NotImplementedError


class Trade(Act):
    """Buy or sell, at a front end, as everybody does."""

    action = "trade"
    stock_name = forms.CharField(max_length=STOCK_NAME_CHARS_MAX, strip=False)
    trade_type = forms.ChoiceField(choices=[(kind.value, kind.value) for kind in TradeType])
    quantity = forms.IntegerField(min_value=1, max_value=QUANTITY_MAX)

    def target(self) -> str:
        """Return the whole trade."""
        data = self.cleaned_data
        return f"{data['trade_type']} {data['quantity']} {data['stock_name']}"

    def carry_out(self) -> str:
        """Place the order."""
        data = self.cleaned_data
        kind = TradeType(data["trade_type"])
        order = wiring.public().trade(data["stock_name"], kind, data["quantity"])
        return f"Order {order.order_no} is placed."


class Price(Act):
    """Change a price, at the catalog, which tells every cache before it commits."""

    action = "price"
    stock_name = forms.CharField(max_length=STOCK_NAME_CHARS_MAX, strip=False)
    price = forms.DecimalField(
        min_value=Decimal("0.0001"), max_digits=PRICE_DIGITS, decimal_places=PRICE_PLACES
    )

    def carry_out(self) -> str:
        """Change it."""
        name, price = self.cleaned_data["stock_name"], self.cleaned_data["price"]
        stock = wiring.catalog().change_price(name, price)
        return f"{stock.name} costs {stock.price} now, version {stock.version}."


class Fault(Act):
    """Break or mend one process; the dashboard itself can only be restarted."""

    action = "fault"
    verb = forms.ChoiceField(choices=[(verb, verb) for verb in faults.VERBS])
    name = forms.ChoiceField()

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Offer the processes of this cluster."""
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        names = [(name, name) for name, _ in wiring.topology().nodes()]
        self.fields["name"].choices = names  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Refuse what the dashboard could not undo: its page would be gone."""
        data = self.cleaned_data
        if data.get("name") == faults.SELF and data.get("verb") not in faults.SELF_VERBS:
            raise forms.ValidationError("The dashboard can only be restarted from its own page.")
        return data

    def target(self) -> str:
        """Return what is done to whom."""
        return f"{self.cleaned_data['verb']} {self.cleaned_data['name']}"

    def carry_out(self) -> str:
        """Do it. Raises NotStruck."""
        try:
            return wiring.striker().strike(self.cleaned_data["verb"], self.cleaned_data["name"])
        finally:
            wiring.collector().watch_closely()


class Evict(Act):
    """Have a front end forget a stock; the next reader makes it ask the catalog."""

    action = "evict"
    stock_name = forms.CharField(max_length=STOCK_NAME_CHARS_MAX, strip=False)
    front_end = forms.TypedChoiceField(coerce=int)

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Offer the front ends of this cluster."""
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        choices = [(number, number) for number in wiring.front_ends()]
        self.fields["front_end"].choices = choices  # type: ignore[attr-defined]

    def carry_out(self) -> str:
        """Evict it."""
        name, number = self.cleaned_data["stock_name"], self.cleaned_data["front_end"]
        for client in wiring.list_processes(number):
            client.remove(name)
        return f"Front end {number} has forgotten {name}."
