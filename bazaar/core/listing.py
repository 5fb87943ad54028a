"""
The names of all listed stocks, as one lease holder knows them.

A holder reads the listing in pages after it has begun a lease. Before the catalog lists a stock it
notifies every holder, as before any change of a stock, and the holder notes the name. So, while the
lease runs, a name that is missing from the whole listing is not listed (I7). It may have names that
are not listed, of a change that was given up: those cost a question and give no wrong answer.

Stocks are never taken off. Left out: the lease, without which nothing is known (`coherence`); how
pages are read (the front end's shell).
"""

from collections.abc import Iterable


class ListedNames:
    """One holder's names; one lock around each call but `lacks`."""

    def __init__(self) -> None:
        """Begin without any."""
        self.forget()

    def forget(self) -> None:
        """Forget every name: a lease begins, and changes may have been missed before it."""
        self.names = set[str]()
        self.end = 0
        """The place in the listing up to which names were read."""
        self._whole: set[str] | None = None
        """The names, once all were read under this lease."""

    def heard(self, names: Iterable[str]) -> None:
        """Note stocks that change, or are about to be listed."""
        self.names.update(names)

    def take(self, names: Iterable[str], end: int, listed: int) -> None:
        """
        Take a page that was read after `self.end`.

        end: the place of its last name. listed: the end of the listing when it was last heard of.
        """
        self.names.update(names)
        self.end = end
        if end >= listed:
            self._whole = self.names

    def lacks(self, name: str) -> bool:
        """
        Tell whether a stock is surely not listed.

        It needs no lock: what it looks at is a set that only grows, or none.
        """
        whole = self._whole
        return whole is not None and name not in whole

    def __len__(self) -> int:
        """Return how many names there are in the whole listing; 0 while it is not known."""
        return len(self._whole or ())
