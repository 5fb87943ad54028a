"""History files: what is written is read, and what is wrong is named."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.proof.records import (
    FORMAT,
    Done,
    Header,
    HistoryError,
    HistoryWriter,
    Mark,
    Opening,
    Record,
    Sample,
    encode,
    read_history,
)

HEADER = Header(
    format=FORMAT,
    seed=1,
    profile="seed",
    started="2026-01-01T00:00:00+00:00",
    urls=("http://127.0.0.1:1",),
    options={"p": "0.2"},
    openings=(Opening("BoarCo", 1, 1000, 0, "24.50"),),
)
RECORDS: list[Record] = [
    Done(client=3, kind="query", url=0, intended_s=0.5, sent_s=0.5, outcome="unreachable"),
    Mark(at_s=1.5, what="kill-leader", target="order-3", term=2),
    Sample(at_s=2.0, leader=3, term=2, hit_ratio=0.5, lag_orders={"order-1": 4}),
]


def write(path: Path, records: list[Record]) -> Path:
    with closing(HistoryWriter(path, HEADER)) as writer:
        for record in records:
            writer.write(record)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert list(read_history(write(tmp_path / "h", RECORDS))) == [HEADER, *RECORDS]


def test_defaults_are_left_out() -> None:
    assert encode(RECORDS[0]) == (
        b'{"type":"done","client":3,"kind":"query","url":0,"intended_s":0.5,"sent_s":0.5,'
        b'"outcome":"unreachable"}\n'
    )


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"{}",
        b'{"type":"guess"}',
        b'{"type":"mark","at_s":"soon","what":"x"}',
        b'{"type":"mark","at_s":1,"what":"x","colour":"red"}',
        encode(RECORDS[0]).replace(b"query", b"dance"),
        b'{"type":"mark","at_s":1,"wh',
        b"\xff",
    ],
)
def test_a_line_that_is_no_record_is_named(line: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / "h", RECORDS)
    with path.open("ab") as file:
        file.write(line)
    with pytest.raises(HistoryError, match=r"h, line 5: "):
        list(read_history(path))


def test_the_header_is_first_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_bytes(encode(RECORDS[0]))
    with pytest.raises(HistoryError, match="line 1 is not a header"):
        list(read_history(path))
    path.write_bytes(encode(HEADER) * 2)
    with pytest.raises(HistoryError, match="line 2 is a second header"):
        list(read_history(path))


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_bytes(encode(HEADER).replace(b'"format":1', b'"format":2'))
    with pytest.raises(HistoryError, match="has format 2; this program reads 1"):
        list(read_history(path))


@given(data=st.binary(max_size=200))
def test_any_line_is_read_or_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("any") / "h"
    path.write_bytes(encode(HEADER) + data)
    try:
        list(read_history(path))
    except HistoryError as error:
        assert "line" in str(error)  # noqa: PT017 - most lines are refused, not all
