"""What `loadtest --json` writes."""

from pathlib import Path

import msgspec

from bazaar.loadtest.summary import Summary


def read_summary(path: Path) -> Summary:
    return msgspec.json.decode(path.read_bytes(), type=Summary)
