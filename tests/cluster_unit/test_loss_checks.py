"""What `tests.cluster.losses` reads after each loss finds what is wrong."""

from decimal import Decimal

import pytest

from tests.cluster.loss_checks import LossChecks
from tests.cluster.price_changes import PriceChange
from tests.proof.cluster_files import NAMES, ORDERS, ClusterFiles

NUMBER = ORDERS - 2
LISTED = (PriceChange(NAMES[0], 1, Decimal("12.5"), 0.0),)


def find_wrong(files: ClusterFiles, checks: LossChecks) -> list[str]:
    trades = [done for done in files.history if done.kind == "trade"]
    return checks.find_wrong(trades, LISTED)


def test_sound_databases_are_right(files: ClusterFiles) -> None:
    checks = LossChecks(files.data.root)
    assert find_wrong(files, checks) == []
    files.reprice(NAMES[0], Decimal("9.99"))
    assert find_wrong(files, checks) == []


@pytest.mark.parametrize(
    ("name", "statement", "sentence"),
    [
        ("catalog", f"DELETE FROM catalog_app_entry WHERE order_no = {ORDERS}", "lacks an ack"),
        (
            "catalog",
            f"UPDATE catalog_app_entry SET order_no = {ORDERS + 1} WHERE order_no = {ORDERS}",
            "lacks an acknowledged order",
        ),
        (
            "catalog",
            f"UPDATE catalog_app_stockchange SET price = 1 WHERE stock_name = '{NAMES[0]}'",
            "lacks an acknowledged price",
        ),
        ("catalog", "UPDATE catalog_app_stock SET quantity = quantity + 1", "not conserved"),
        ("catalog", "UPDATE catalog_app_stock SET trade_volume = 1", "not conserved"),
        (
            "catalog",
            f"UPDATE catalog_app_entry SET digest = 'x' WHERE order_no = {ORDERS}",
            "the ledger is not what it was",
        ),
        (
            "order-2",
            f"UPDATE order_app_logentry SET digest = 'x' WHERE order_no >= {NUMBER}",
            "order-2",
        ),
    ],
)
def test_what_is_wrong_is_found(
    files: ClusterFiles, name: str, statement: str, sentence: str
) -> None:
    """I1, I3, I4, I8: a check that cannot fail is a defect."""
    checks = LossChecks(files.data.root)
    files.damage(name, statement)
    assert sentence in "\n".join(find_wrong(files, checks))
