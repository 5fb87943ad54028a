"""A holder's cache, step by step: I7, I10 (docs/DESIGN.md 4.4)."""

from dataclasses import replace

from bazaar.core.cache import StockCache
from bazaar.core.types import Stock, Version
from tests.core.history import make_stock

NAME = "GameStart"


def make_version(version: int, name: str = NAME) -> Stock:
    """Return a stock at one version."""
    return replace(make_stock(name), version=Version(version))


def make_cache(size_max: int = 10) -> StockCache[Stock]:
    """Return an empty cache."""
    return StockCache(size_max)


def fill(cache: StockCache[Stock], version: int, name: str = NAME) -> bool:
    """Ask for a stock and get one version of it; tell whether it was kept."""
    ticket = cache.join(name)
    assert ticket.is_owner
    return cache.finish(ticket.fill, make_version(version, name))


def test_a_stock_is_kept_until_it_is_invalidated() -> None:
    cache = make_cache()
    assert cache.get(NAME) is None
    assert fill(cache, 1)
    assert cache.get(NAME) == make_version(1)
    cache.invalidate(NAME, Version(2))
    assert cache.get(NAME) is None
    assert (cache.hits, cache.misses) == (1, 2)


def test_an_invalidation_below_what_is_kept_forgets_nothing() -> None:
    """It came late: the answer is already of the new version."""
    cache = make_cache()
    assert fill(cache, 5)
    cache.invalidate(NAME, Version(5))
    assert cache.get(NAME) == make_version(5)


def test_an_answer_below_the_version_heard_is_not_kept() -> None:
    """I7: it was read before the change that is about to be acknowledged."""
    cache = make_cache()
    cache.invalidate(NAME, Version(3))
    assert not fill(cache, 2)
    assert cache.get(NAME) is None
    assert fill(cache, 3)


def test_an_older_invalidation_takes_nothing_back() -> None:
    """I7: invalidations may overtake each other."""
    cache = make_cache()
    cache.invalidate(NAME, Version(4))
    cache.invalidate(NAME, Version(3))
    assert not fill(cache, 3)


def test_concurrent_misses_make_one_request() -> None:
    """docs/DESIGN.md 4.4."""
    cache = make_cache()
    owner, joiner = cache.join(NAME), cache.join(NAME)
    assert (owner.is_owner, joiner.is_owner) == (True, False)
    assert owner.fill is joiner.fill
    cache.finish(owner.fill, make_version(1))
    assert owner.admits(make_version(1))
    assert joiner.admits(make_version(1))
    assert cache.join(NAME).is_owner


def test_an_invalidation_detaches_the_fill_under_way() -> None:
    """docs/DESIGN.md 4.4: a later reader starts its own request; the old answer is not kept."""
    cache = make_cache()
    owner = cache.join(NAME)
    cache.invalidate(NAME, Version(2))
    later = cache.join(NAME)
    assert later.is_owner
    assert later.fill is not owner.fill
    assert not cache.finish(owner.fill, make_version(7))
    assert not cache.join(NAME).is_owner, "the later fill is still under way"
    assert cache.finish(later.fill, make_version(2))


def test_a_joiner_refuses_an_answer_older_than_what_it_had_heard() -> None:
    """I7: the fill began between the invalidation and the commit, the joiner after it."""
    cache = make_cache()
    cache.invalidate(NAME, Version(2))
    owner, joiner = cache.join(NAME), cache.join(NAME)
    assert owner.admits(make_version(1)), "it began before the change was acknowledged"
    assert not joiner.admits(make_version(1))
    assert joiner.admits(make_version(2))


def test_what_is_heard_later_does_not_bind_who_began_before() -> None:
    cache = make_cache()
    cache.join(NAME)
    joiner = cache.join(NAME)
    cache.invalidate(NAME, Version(9))
    assert joiner.admits(make_version(1))


def test_a_lost_lease_forgets_everything_and_what_is_under_way() -> None:
    """I7: changes may have been missed meanwhile."""
    cache = make_cache()
    fill(cache, 1)
    owner = cache.join("BoarCo")
    cache.clear()
    assert not cache.finish(owner.fill, make_version(1, "BoarCo"))
    assert cache.entries == {}
    assert cache.join("BoarCo").is_owner


def test_what_was_forgotten_is_known_as_old_until_it_is_read_again() -> None:
    """While nobody can be asked, an answer that is marked is better than none."""
    cache = make_cache()
    fill(cache, 1)
    for _ in range(2):  # nothing was read in between
        cache.clear()
    old = cache.find_old(NAME)
    assert old is not None
    assert old.version == 1
    assert cache.get(NAME) is None
    fill(cache, 2)
    cache.invalidate(NAME, Version(3))
    assert cache.find_old(NAME) is None, "less than what was answered since"


def test_a_removed_stock_is_not_known_as_old() -> None:
    """The seed's /rm, whatever the lease."""
    cache = make_cache()
    fill(cache, 1)
    cache.clear()
    cache.remove(NAME)
    assert cache.find_old(NAME) is None


def test_what_was_heard_survives_a_lost_lease() -> None:
    """I7: a version that was announced once is never undercut."""
    cache = make_cache()
    cache.invalidate(NAME, Version(3))
    cache.clear()
    assert not fill(cache, 2)


def test_a_removed_stock_is_asked_for_again() -> None:
    """The seed's /rm, whatever the version."""
    cache = make_cache()
    fill(cache, 1)
    owner = cache.join("BoarCo")
    assert cache.remove(NAME)
    assert not cache.remove(NAME)
    assert not cache.remove("BoarCo")
    assert not cache.finish(owner.fill, make_version(1, "BoarCo"))


def test_a_stock_that_does_not_exist_is_not_kept() -> None:
    cache = make_cache()
    owner = cache.join("none")
    assert not cache.finish(owner.fill, None)
    assert cache.join("none").is_owner


def test_the_least_recently_used_stock_goes_first() -> None:
    """I10."""
    cache = make_cache(2)
    fill(cache, 1, "a")
    fill(cache, 1, "b")
    assert cache.get("a") is not None
    fill(cache, 1, "c")
    assert list(cache.entries) == ["a", "c"]
    assert cache.evictions == 1


def test_a_renewed_entry_counts_as_used() -> None:
    """I10."""
    cache = make_cache(2)
    fill(cache, 1, "a")
    fill(cache, 1, "b")
    fill(cache, 2, "a")
    fill(cache, 1, "c")
    assert list(cache.entries) == ["a", "c"]
