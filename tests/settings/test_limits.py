"""Every wrong limit is a sentence that names its variable (docs/DESIGN.md 7)."""

import msgspec
import pytest

from bazaar.settings.env import (
    Limits,
    SettingsError,
    read_cluster_limits,
    read_limits,
    variable,
)
from bazaar.topology import local

FIELDS = msgspec.structs.fields(Limits)
TIMES = [field.name for field in FIELDS if field.name.endswith("_s")]
COUNTS = [field.name for field in FIELDS if not field.name.endswith("_s")]
NAMES = [field.name for field in FIELDS]
MAY_BE_NOTHING = (
    *("address_requests_max", "min_recovery_replicas"),
    *("spans_kept_max", "token_requests_max"),
)


def refusal(**environ: str) -> str:
    """Return the sentence with which an environment is refused."""
    with pytest.raises(SettingsError) as caught:
        read_limits(environ)
    return str(caught.value)


def test_the_defaults_are_the_designs() -> None:
    limits = read_limits({})
    assert (limits.ping_interval_s, limits.ping_timeout_s) == (0.2, 0.5)
    assert (limits.lease_s, limits.renewal_s) == (2.0, 0.5)
    assert (limits.replication_timeout_s, limits.deadline_s) == (0.5, 10.0)
    assert (limits.batch_trades_max, limits.cache_stocks_max) == (256, 10_000)
    assert (limits.page_orders_max, limits.min_in_sync) == (1000, 1)


@pytest.mark.parametrize(
    ("database", "given", "deadline_s"),
    [
        (None, {}, 10.0),
        ("postgresql://u:p@a/catalog", {}, 10.0),
        ("postgresql://u:p@a,b:5433,c/catalog", {}, 30.0),
        ("mysql://u:p@a,b,c/catalog", {}, 10.0),
        ("postgresql://u:p@a,b/catalog", {"BAZAAR_DEADLINE_S": "7"}, 7.0),
        ("no URL", {}, 10.0),
    ],
)
def test_trades_are_repeated_for_longer_than_the_engine_takes_to_replace_a_host(
    database: str | None, given: dict[str, str], deadline_s: float
) -> None:
    found = local(3)
    catalog = msgspec.structs.replace(found.catalog, database=database)
    found = msgspec.structs.replace(found, catalogs=(catalog,))
    assert read_cluster_limits(given, found).deadline_s == deadline_s


def test_a_limit_is_read_from_its_variable() -> None:
    environ = {"BAZAAR_LEASE_S": "2.5", "BAZAAR_BATCH_TRADES_MAX": "7", "PATH": "/bin"}
    limits = read_limits(environ)
    assert (limits.lease_s, limits.batch_trades_max) == (2.5, 7)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MAY_BE_NOTHING])
def test_nothing_is_no_sensible_number(name: str) -> None:
    assert f"BAZAAR_{name.upper()}" in refusal(**{f"BAZAAR_{name.upper()}": "0"})


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_sensible_number_is_refused_by_name(name: str) -> None:
    for text in ("", "x", "-1", "1e400", "nan", "NaN", "inf", "-inf", "null"):
        said = refusal(**{variable(name): text})
        assert said.startswith(f"{variable(name)}={text!r} is not usable")


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("BAZAAR_LEASE_S", "2s", "a number of seconds, such as 2"),
        ("BAZAAR_LEASE_S", "2,5", "a number of seconds, such as 2"),
        ("BAZAAR_HEARTBEAT_S", "200ms", "a number of seconds, such as 2"),
        ("BAZAAR_BATCH_TRADES_MAX", "1k", "a whole number"),
        ("BAZAAR_WORKERS", "two", "a whole number"),
    ],
)
def test_a_number_with_a_unit_is_refused_with_what_it_must_be(
    name: str, text: str, wanted: str
) -> None:
    sentence = f"{name}={text!r} is not usable: it must be {wanted}, without a unit."
    assert refusal(**{name: text}) == sentence


@pytest.mark.parametrize("name", TIMES)
def test_a_time_has_an_upper_limit_and_plain_digits(name: str) -> None:
    for text in ("3601", "1_0", "0x1", "\u0661"):
        assert refusal(**{variable(name): text}).startswith(f"{variable(name)}={text!r}")


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_is_a_whole_number_with_an_upper_limit(name: str) -> None:
    for text in ("1.5", "1000001", str(10**30), "true", "\u0661"):
        assert refusal(**{variable(name): text}).startswith(f"{variable(name)}={text!r}")


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (
            {"BAZAAR_LEASE_S": "1"},
            "BAZAAR_LEASE_S (1) must be greater than 2 x BAZAAR_RENEWAL_S (0.5).",
        ),
        (
            {"BAZAAR_RENEWAL_S": "1"},
            "BAZAAR_LEASE_S (2) must be greater than 2 x BAZAAR_RENEWAL_S (1).",
        ),
        (
            {"BAZAAR_PING_TIMEOUT_S": "10"},
            "BAZAAR_DEADLINE_S (10) must be greater than BAZAAR_PING_TIMEOUT_S (10).",
        ),
        (
            {"BAZAAR_CALL_TIMEOUT_S": "11"},
            "BAZAAR_DEADLINE_S (10) must be greater than BAZAAR_CALL_TIMEOUT_S (11).",
        ),
        (
            {"BAZAAR_REPLICATION_TIMEOUT_S": "60"},
            "BAZAAR_DEADLINE_S (10) must be greater than BAZAAR_REPLICATION_TIMEOUT_S (60).",
        ),
        (
            {"BAZAAR_LEASE_S": "30"},
            "BAZAAR_DEADLINE_S (10) must be greater than BAZAAR_LEASE_S (30).",
        ),
        (
            {"BAZAAR_DEADLINE_S": "3"},
            "BAZAAR_DEADLINE_S (3) must be greater than BAZAAR_CALL_TIMEOUT_S (3).",
        ),
    ],
)
def test_times_that_do_not_fit_each_other_are_refused(
    environ: dict[str, str], sentence: str
) -> None:
    assert refusal(**environ) == sentence


def test_two_changes_that_fit_each_other_are_taken() -> None:
    limits = read_limits(
        {"BAZAAR_RENEWAL_S": "2", "BAZAAR_LEASE_S": "5", "BAZAAR_CALL_TIMEOUT_S": "6"}
    )
    assert (limits.renewal_s, limits.lease_s) == (2.0, 5.0)
