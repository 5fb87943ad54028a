"""
One load process: `python -m bazaar.loadtest.worker`, started by `processes`.

Its standard input brings a `Share`, then `Start` and perhaps `Stop`, each a line of JSON; the end
of the input means that whoever started it is gone. Its standard output is `ready`, then `Done`
lines, when the plan asks for them, and a `Tally` a few times a second; the last one says so.
"""

import asyncio
import gc
import queue
import sys
import threading
from typing import IO

import msgspec
import uvloop

from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.engine import Engine
from bazaar.loadtest.plan import Command, Share, Start, Stop
from bazaar.loadtest.scripts import make_script
from bazaar.loadtest.tally import Counter
from bazaar.proof.records import Done, HistoryError, encode

TELL_S = 0.2
"""Between two tallies."""
SWITCH_S = 0.0005
"""How long one thread may keep another from the interpreter: the ticker must not be late."""
LINE_BYTES_MAX = 4 * 1024 * 1024
"""Of a share: it names every stock."""
READY = b"ready\n"
_commands = msgspec.json.Decoder(Command)
_encoder = msgspec.json.Encoder()


def open_output() -> IO[bytes]:
    """
    Return standard output with a buffer, also where PYTHONUNBUFFERED is set.

    Without one, a write that a signal interrupts writes a part only, and nobody writes the rest.
    """
    return open(sys.stdout.fileno(), "wb", closefd=False)


class PipeWriter:
    """Writes to the parent from a thread: a full pipe must not delay the load."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def write(self, lines: bytes) -> None:
        """Write soon."""
        self._lines.put(lines)

    def close(self) -> None:
        """Write what is left."""
        self._lines.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while (lines := self._lines.get()) is not None:
                self._file.write(lines)
                self._file.flush()
        except OSError:  # nobody listens any more; the end of the input says the same
            return


class Worker:
    """Plays one share and reports its counts."""

    def __init__(self, share: Share, writer: PipeWriter) -> None:
        """Must run in an event loop. Raises HistoryError, OSError."""
        self._share, self._writer = share, writer
        self._counter = Counter()
        self._lines: list[bytes] = []
        self._script = make_script(share)
        note = self._note if share.is_noting else self._counter.add
        self.engine = Engine(share.plan, self._script, note)

    def _note(self, done: Done, end_s: float) -> None:
        self._counter.add(done, end_s)
        self._lines.append(encode(done))

    async def run(self, start: Start) -> None:
        """Play it."""
        reporting = asyncio.create_task(self._report_often())
        try:
            await self.engine.run(self._share.clients, start.origin_s)
        finally:
            reporting.cancel()
            self._tell(is_last=True)

    async def _report_often(self) -> None:
        while True:
            await asyncio.sleep(TELL_S)
            self._tell()

    def _tell(self, *, is_last: bool = False) -> None:
        unsent = self._script.count_unsent() if is_last else 0
        tally = self._counter.collect(unsent=unsent, is_last=is_last)
        lines, self._lines = self._lines, []
        self._writer.write(b"".join(lines) + _encoder.encode(tally) + b"\n")


def main() -> int:
    """Run one process of a load."""
    sys.setswitchinterval(SWITCH_S)
    writer = PipeWriter(open_output())
    try:
        uvloop.run(_play(writer))
    except (CommandFailed, HistoryError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        writer.close()
    return 0


async def _play(writer: PipeWriter) -> None:
    """Read the share, say ready, and play it once told to."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    line = await orders.readline()
    if not line:
        return
    worker = Worker(msgspec.json.decode(line, type=Share), writer)
    gc.freeze()  # what is here now stays; only what comes later is worth looking through
    writer.write(READY)
    line = await orders.readline()
    start = _commands.decode(line) if line else None
    if not isinstance(start, Start):
        return
    obeying = asyncio.create_task(_obey(orders, worker))
    await worker.run(start)
    obeying.cancel()


async def _obey(orders: asyncio.StreamReader, worker: Worker) -> None:
    """Stop when told to, or when whoever started us is gone."""
    line = await orders.readline()
    command = _commands.decode(line) if line else None
    worker.engine.stop(command.drain_s if isinstance(command, Stop) else 0.0)


if __name__ == "__main__":
    sys.exit(main())
