"""
Checksums of a database's pages, in its file and in its write-ahead log.

The main file of a database in WAL mode is written by checkpoints only. So a process that does them
knows what each page has to be; to read a page and compare it takes four microseconds. Sums are in
memory: what a page is when it is seen first is taken for what it has to be. Format:
https://www.sqlite.org/fileformat2.html
"""

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import Self
from zlib import crc32

READ_PAGES = 64
"""Pages that are read at a time: other threads may run at each read, and not at once give way."""
_UNKNOWN = 0
_POLYNOMIAL = 0xEDB88320
"""Of `crc32`."""
_LOG_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_SALTS = slice(16, 24)


class PageSums:
    """What each page of a file has to be."""

    def __init__(self, path: Path, page_bytes: int) -> None:
        """Open the file. Raises OSError."""
        self.page_bytes = page_bytes
        self._file = os.open(path, os.O_RDONLY)
        self._sums = array("I")

    def close(self) -> None:
        """Close the file; by that all locks end that SQLite has on it in this process."""
        os.close(self._file)

    def count(self) -> int:
        """Return the number of pages: those of the file, and those that it ought to have."""
        pages = os.fstat(self._file).st_size // self.page_bytes
        self._sums.extend([_UNKNOWN] * (pages - len(self._sums)))
        return len(self._sums)

    def find_wrong(self, pages: Iterable[int]) -> dict[int, int]:
        """
        Return which pages are not what they have to be, with the sums they have.

        Pages that are seen first are noted. Raises OSError.
        """
        wrong = dict[int, int]()
        for run in _list_runs(page for page in sorted(pages) if page <= len(self._sums)):
            at, size = (run[0] - 1) * self.page_bytes, len(run) * self.page_bytes
            data = memoryview(os.pread(self._file, size, at))
            for page in run:
                content, data = data[: self.page_bytes], data[self.page_bytes :]
                found, noted = make_sum(content), self._sums[page - 1]
                if noted == _UNKNOWN and len(content) == self.page_bytes:
                    self._sums[page - 1] = found
                elif noted not in (_UNKNOWN, found):
                    wrong[page] = found
        return wrong

    def note(self, sums: Mapping[int, int]) -> None:
        """Note what pages have to be from now on."""
        if sums:
            self._sums.extend([_UNKNOWN] * (max(sums) - len(self._sums)))
        for page, found in sums.items():
            self._sums[page - 1] = found

    def forget(self, pages: Iterable[int]) -> None:
        """Note that pages may be anything."""
        self.note(dict.fromkeys(pages, _UNKNOWN))

    def cut(self, pages: int) -> None:
        """Note that the file has no more than so many pages."""
        del self._sums[pages:]

    def cut_to_file(self) -> None:
        """Note that the file has no more pages than it has."""
        self.cut(os.fstat(self._file).st_size // self.page_bytes)

    def list_flipped(self, wrong: Mapping[int, int]) -> list[int]:
        """Return those of some wrong pages of which exactly one bit is another."""
        differences = _list_differences(self.page_bytes)
        return [
            page for page, found in wrong.items() if self._sums[page - 1] ^ found in differences
        ]


Frame = tuple[int, int]
"""
The page that a frame of a write-ahead log is for.

Then the pages of the database after a commit; 0: more frames of its transaction follow.
"""


class LogFrames:
    """
    The frames of a write-ahead log since it was begun again, numbered from 1.

    Frames before that have other salts. The newest ones may belong to a transaction that is not
    committed yet.
    """

    def __init__(self, path: Path, page_bytes: int) -> None:
        """path: of the database. Raises OSError."""
        self._page_bytes = page_bytes
        self.frame_bytes = _FRAME_HEADER_BYTES + page_bytes
        self._frame = Struct(f">II8s8x{page_bytes}x")
        """Page, pages of the database, salts of the log; SQLite's checksum, and the page itself."""
        self._file = os.open(f"{path}-wal", os.O_RDONLY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file; SQLite has no locks on this one."""
        os.close(self._file)

    def read_salts(self) -> bytes:
        """Return what tells one beginning of the log from the next; nothing: it is empty."""
        return os.pread(self._file, _LOG_HEADER_BYTES, 0)[_SALTS]

    def count_places(self) -> int:
        """Return how many frames the file is long enough for."""
        return (os.fstat(self._file).st_size - _LOG_HEADER_BYTES) // self.frame_bytes

    def has(self, frame: int) -> bool:
        """Tell whether a frame is there."""
        return bool(self._read(frame - 1, self.read_salts(), count=1))

    def read(self, after: int) -> list[Frame]:
        """Return the frames after one, up to the last that is there."""
        salts, found = self.read_salts(), list[Frame]()
        while more := self._read(after + len(found), salts):
            found += more
        return found

    def sum(self, frame: int) -> int:
        """Return the checksum of the page in a frame."""
        at = self._place(frame) + self._frame.size - self._page_bytes
        return make_sum(os.pread(self._file, self._page_bytes, at))

    def _read(self, after: int, salts: bytes, count: int = READ_PAGES) -> list[Frame]:
        """Return so many of the next frames, at most."""
        size, found = self._frame.size, list[Frame]()
        data = memoryview(os.pread(self._file, count * size, self._place(after + 1)))
        for page, pages, salts_then in self._frame.iter_unpack(data[: len(data) // size * size]):
            if salts_then != salts:
                break
            found.append((page, pages))
        return found

    def _place(self, frame: int) -> int:
        return _LOG_HEADER_BYTES + (frame - 1) * self._frame.size


def _list_runs(pages: Iterable[int]) -> Iterator[list[int]]:
    """Yield pages that follow each other, some of them at a time."""
    run = list[int]()
    for page in pages:
        if run and (page != run[-1] + 1 or len(run) == READ_PAGES):
            yield run
            run = []
        run.append(page)
    if run:
        yield run


def make_sum(page: bytes | memoryview) -> int:
    """Return the checksum of a page; never that of an unknown one."""
    return crc32(page) or 1


def _list_differences(page_bytes: int) -> set[int]:
    """
    Return by what the sum changes with each of the bits of a page.

    A sum of this kind is linear: which other bits are set makes no difference.
    """
    found, difference = set[int](), 1
    for _ in range(8 * page_bytes):
        difference = difference >> 1 ^ (_POLYNOMIAL if difference & 1 else 0)
        found.add(difference)
    return found
