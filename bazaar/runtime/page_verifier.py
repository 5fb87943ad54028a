"""
Compares the pages of a file with their checksums, and does its checkpoints.

A page is compared in turn with all others, and before a checkpoint writes over it: else a flipped
bit that SQLite has read, and written again with something else, would not be noticed. Which pages a
checkpoint writes follows from the write-ahead log, which can only grow meanwhile: a read keeps it
from being begun again. That checkpoint ends where the read began, and nobody waits for it. It never
reaches the end while others write, so a long log is begun again by one more, a short one, that
holds the lock on writing; writers of this process wait at a gate meanwhile.

Another process may do a checkpoint, too: an operator's tool; SQLite itself, when this one has done
none for long. Pages that the write-ahead log explains are noted anew. If it explains none, and a
single page has a single other bit, that page is damaged: no transaction of ours changes as little
as that. In all other cases all rows are looked at.
"""

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path

from bazaar import clock
from bazaar.runtime import checkpoint
from bazaar.runtime.damage import damage
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.log_room import lacks_room, make_room
from bazaar.runtime.metrics import events
from bazaar.runtime.page_sums import Frame, LogFrames, PageSums
from bazaar.runtime.write_gate import gate

log = get_log("bazaar.runtime.page_verifier")

TURN_S = 10.0
"""For all pages, at least."""
PAGES_MAX = 1000
"""In one step: four milliseconds."""
FIRST_PAGES_MAX = 4000
"""In one step of the first turn, which takes all pages as they are."""
CHECKPOINT_S = 5.0
"""From one checkpoint to the next, and longer while nothing is written: trades share the disk."""
BEGIN_AGAIN_FRAMES = 3000
"""A write-ahead log as long as this makes a checkpoint due at once, and begins again."""
FRAMES = 500
"""So many more make the next one due, when it could not begin again."""
READERS_MS = 100
"""To wait for those who read what is in the log, before it begins again."""
LOCK_TRIES, LOCK_RETRY_S = 400, 0.0005
"""To get the lock on writing: others may take it again at once, so it is asked for often."""


class PageVerifier:
    """The pages of one file; for one thread."""

    def __init__(self, path: Path, look: Callable[[], str]) -> None:
        """
        Open the database.

        look: checks all rows and returns what is wrong, in words. Raises sqlite3.Error, OSError.
        """
        path = path.resolve()  # the write-ahead log is beside the file that a link leads to
        self._path, self._look = path, look
        self._holder, self._mover = _connect(path), _connect(path)
        self._mover.execute(f"PRAGMA busy_timeout = {READERS_MS}")
        ((page_bytes,),) = self._holder.execute("PRAGMA page_size")
        self._salts, self._moved = b"", 0
        """Of the write-ahead log, up to which frame it is in the main file."""
        self._next, self._is_first = 1, True
        self._stepped_s = self._moved_s = clock.monotonic_s()
        self.sums = PageSums(path, page_bytes)

    def close(self) -> None:
        """Close all; only where this process has no other connection to the database."""
        self._holder.close()
        self._mover.close()
        self.sums.close()

    def step(self) -> None:
        """
        Do a checkpoint if it is due, and compare the next pages; report damage.

        A disk that fails is no damage: all is tried again. Raises what `look` raises.
        """
        with checkpoint.lock:
            if damage.where:
                return
            try:
                if self._check_log() or self.sums.find_wrong(self._choose()):
                    self._explain()
                else:
                    self._make_room()
            except (sqlite3.Error, OSError) as error:
                log.warning("pages not checked", reason=str(error))

    def _choose(self) -> range:
        """Return the pages whose turn it is."""
        pages, now_s = self.sums.count(), clock.monotonic_s()
        if self._next > pages:
            self._next, self._is_first = 1, False
        share = (now_s - self._stepped_s) / TURN_S
        most = FIRST_PAGES_MAX if self._is_first else min(PAGES_MAX, int(pages * share) + 1)
        begin, self._next, self._stepped_s = self._next, self._next + most, now_s
        return range(begin, min(self._next, pages + 1))

    def _check_log(self) -> Mapping[int, int]:
        """Do a checkpoint if it is due; return wrong pages, because of which it was not done."""
        now_s = clock.monotonic_s()
        is_late = now_s >= self._moved_s + CHECKPOINT_S
        if not self._has_more(is_late=is_late):
            return {}
        self._moved_s = now_s
        wrong = self._move("BEGIN")
        if wrong or wrong is None or self._moved < BEGIN_AGAIN_FRAMES:
            return wrong or {}
        return self._finish()

    def _finish(self) -> Mapping[int, int]:
        """Move the rest of a long log, and have it begin again; return wrong pages."""
        with LogFrames(self._path, self.sums.page_bytes) as frames:
            pages = {page for page, _ in frames.read(self._moved)}
        if wrong := self.sums.find_wrong(pages):  # before others have to wait
            return wrong
        with gate.closed():
            found = self._move("BEGIN IMMEDIATE", compared=pages)
            if found is None:  # others write on: there may be frames whose pages nobody compared
                return {}
            if not found:
                self._begin_again()
        return found

    def _begin_again(self) -> None:
        """Wait for readers, so that the next writer writes at the log's beginning."""
        with LogFrames(self._path, self.sums.page_bytes) as frames:
            try:
                done = self._mover.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            except sqlite3.Error:
                self.sums.forget({page for page, _ in frames.read(self._moved)})
                raise
            _, length, moved = done
            if moved > self._moved:  # somebody who is not at the gate has written in between
                self._note(frames, frames.read(self._moved), length, moved)

    def _make_room(self) -> None:
        """Keep the file of the log longer than what is written, up to where it begins again."""
        with LogFrames(self._path, self.sums.page_bytes) as frames:
            if not lacks_room(frames, BEGIN_AGAIN_FRAMES):
                return
        make_room(self._path.with_name(f"{self._path.name}-wal"), frames.frame_bytes)

    def _has_more(self, *, is_late: bool) -> bool:
        """Tell whether the log has frames to move, and when it is not late, many of them."""
        with LogFrames(self._path, self.sums.page_bytes) as frames:
            self._follow(frames)
            if is_late:
                return frames.has(self._moved + 1)
            return frames.has(max(BEGIN_AGAIN_FRAMES, self._moved + FRAMES))

    def _move(self, begin: str, compared: Set[int] = frozenset()) -> Mapping[int, int] | None:
        """
        Do a checkpoint while a transaction keeps the log from being begun again.

        compared: pages that were right just now. Returns pages that are wrong before it; then
        nothing is moved. None: others kept the lock that the transaction needs; nothing is moved.
        """
        if not self._begin(begin):
            return None
        try:
            _read_nothing(self._holder)
            with LogFrames(self._path, self.sums.page_bytes) as frames:
                self._follow(frames)
                known = frames.read(self._moved)
                pages = {page for page, _ in known} - compared
                if wrong := self.sums.find_wrong(pages):
                    return wrong
                try:
                    done = self._mover.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                except sqlite3.Error:
                    self.sums.forget(pages | compared)  # any of them may be written, or half of it
                    raise
                _, length, moved = done
                if moved > self._moved:
                    self._note(frames, known, length, moved)
        finally:
            if self._holder.in_transaction:
                self._holder.execute("ROLLBACK")
        return {}

    def _begin(self, begin: str) -> bool:
        """Begin a transaction; return whether it has the lock that it needs."""
        for _ in range(LOCK_TRIES):
            try:
                self._holder.execute(begin)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                clock.wait(LOCK_RETRY_S)
            else:
                return True
        return False

    def _note(self, frames: LogFrames, known: Sequence[Frame], length: int, moved: int) -> None:
        """
        Note what a checkpoint has written: pages that have no newer frame than the last it moved.

        known: frames after those moved before. length: frames that SQLite knew. moved: how many
        of them are in the file. When somebody else had moved all, the log may have begun again:
        then nothing is noted.
        """
        known = known[: moved - self._moved]
        later = frames.read(moved)[: length - moved]
        if len(known) + len(later) < length - self._moved:
            return
        _, pages = (later or known)[-1]
        newer = {page for page, _ in later}
        written = {page: at for at, (page, _) in enumerate(known, self._moved + 1) if page <= pages}
        sums = {page: frames.sum(at) for page, at in written.items() if page not in newer}
        if frames.read_salts() != self._salts:
            return
        self.sums.note(sums)
        if moved == length:
            self.sums.cut(pages)
        self._moved = moved

    def _follow(self, frames: LogFrames) -> None:
        """Notice that the log has begun again."""
        salts = frames.read_salts()
        if salts != self._salts:
            self._salts, self._moved = salts, 0

    def _explain(self) -> None:
        """Tell damage from what another process has written, for all pages."""
        wrong = self.sums.find_wrong(range(1, self.sums.count() + 1))
        logged, flipped = self._find_logged(wrong), self.sums.list_flipped(wrong)
        self.sums.note({page: wrong.pop(page) for page in logged if page not in flipped})
        if not wrong:
            return
        where = f"page {min(wrong)} of the file"
        if len(wrong) == 1 and flipped == list(wrong) and not logged:
            damage.report(where)
        elif fault := self._look():
            damage.report(f"{where}: {fault}")
        elif not damage.where:
            self._take(wrong)

    def _find_logged(self, wrong: Mapping[int, int]) -> set[int]:
        """Return the wrong pages that are in the log as they are in the file."""
        with LogFrames(self._path, self.sums.page_bytes) as frames:
            logged = [(at, page) for at, (page, _) in enumerate(frames.read(0), 1) if page in wrong]
            return {page for at, page in logged if frames.sum(at) == wrong[page]}

    def _take(self, wrong: Mapping[int, int]) -> None:
        """Note pages anew: all rows are as they have to be."""
        events.emit(log, logging.WARNING, "pages written by others", count=len(wrong))
        self.sums.note(wrong)
        self.sums.cut_to_file()


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=0
    )
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("PRAGMA synchronous = FULL")
    _read_nothing(database)  # from here on there is a write-ahead log
    return database


def _read_nothing(database: sqlite3.Connection) -> None:
    database.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
