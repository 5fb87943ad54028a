"""
Room in the file of a write-ahead log, ahead of what is written.

A commit that makes the file longer has the file system store the new length, too. That takes twice
the processor time, and twice the wait, of a commit that writes over bytes which are there. So zeros
are written ahead: they are no frame, and SQLite ends there. A log that begins again finds the room
of the last one.
"""

import os
from pathlib import Path

from bazaar.runtime.page_sums import LogFrames

ROOM_FRAMES = 500
"""So many are kept ahead: one client needs fewer from one look to the next."""
FREE_TIMES = 100
"""The disk has as many times that much free; else the rest is left to what is decided."""


def lacks_room(frames: LogFrames, places_max: int) -> bool:
    """Tell whether a log is near the end of its file, and that still short."""
    count = frames.count_places()
    return count < places_max and frames.has(max(1, count - ROOM_FRAMES + 1))


def make_room(path: Path, frame_bytes: int) -> None:
    """
    Write zeros behind a log, and have its new length stored.

    Others may write to the log meanwhile: what is appended is behind all that is there, and they
    write over it. Raises OSError: a part of the zeros may be there, which does no harm.
    """
    size, disk = ROOM_FRAMES * frame_bytes, os.statvfs(path)
    if disk.f_bavail * disk.f_frsize < FREE_TIMES * size:
        return
    with path.open("ab", buffering=0) as log:
        log.write(bytes(size))
        os.fdatasync(log.fileno())
