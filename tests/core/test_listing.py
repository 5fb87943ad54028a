"""What a holder knows of the listing: never too little (I7)."""

from bazaar.core.listing import ListedNames


def read_pages(listing: ListedNames, *pages: tuple[str, ...], listed: int) -> None:
    """Take pages one after the other."""
    for page in pages:
        listing.take(page, listing.end + len(page), listed)


def test_nothing_is_unlisted_before_the_whole_listing_was_read() -> None:
    listing = ListedNames()
    assert not listing.lacks("NewCo")
    read_pages(listing, ("a", "b"), listed=3)
    assert not listing.lacks("NewCo")
    assert len(listing) == 0
    read_pages(listing, ("c",), listed=3)
    assert listing.lacks("NewCo")
    assert not any(map(listing.lacks, ("a", "b", "c")))
    assert len(listing) == 3


def test_a_name_that_was_heard_before_its_page_is_listed() -> None:
    """I7: the page was read before the stock was committed."""
    listing = ListedNames()
    listing.heard(["NewCo"])
    read_pages(listing, ("a",), listed=1)
    assert not listing.lacks("NewCo")
    listing.heard(["NewerCo"])
    assert not listing.lacks("NewerCo")


def test_a_new_lease_begins_without_a_listing() -> None:
    """I7: what was listed meanwhile was not heard of."""
    listing = ListedNames()
    read_pages(listing, ("a",), listed=1)
    listing.forget()
    assert not listing.lacks("NewCo")
    assert (listing.end, len(listing)) == (0, 0)
    read_pages(listing, ("a", "NewCo"), listed=2)
    assert not listing.lacks("NewCo")
    assert listing.lacks("b")


def test_a_reader_that_looked_before_a_lease_began_looks_at_all_names() -> None:
    """It takes no lock, so names may not vanish while it looks."""
    listing = ListedNames()
    read_pages(listing, ("a",), listed=1)
    names = listing.names
    listing.forget()
    assert names == {"a"}
