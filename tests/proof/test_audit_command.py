"""`manage.py audit`: sentences or JSON, and an exit status that says what they come to."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bazaar.cluster import exits
from bazaar.proof.records import HistoryWriter
from tests.proof.cluster_files import ORDERS, ClusterFiles


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAZAAR_CLUSTER", raising=False)


def run(*arguments: str | Path) -> int:
    """Run the command in this process; return its exit status."""
    try:
        call_command("audit", *map(str, arguments))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_sound_databases_end_with_0(
    files: ClusterFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--offline", "--data", files.data.root) == exits.OK
    *_, looked, end = capsys.readouterr().out.splitlines()
    assert f"{ORDERS} orders in the ledger" in looked
    assert end == "every promise holds"


def test_a_broken_promise_is_a_sentence_and_3(
    files: ClusterFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    files.damage("order-2", "DELETE FROM order_app_logentry WHERE order_no = 17")
    assert run("--offline", "--data", files.data.root) == exits.INCONSISTENT
    first, *_, end = capsys.readouterr().out.splitlines()
    assert first == ("order-2: order 17 of the ledger should be there, because later ones are (I1)")
    assert end == "1 findings; broken: I1"


def test_json_shows_the_same_to_programs(
    files: ClusterFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    files.damage("order-2", "DELETE FROM order_app_logentry WHERE order_no = 17")
    assert run("--offline", "--data", files.data.root, "-o", "json") == exits.INCONSISTENT
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    (finding,) = told["findings"]
    assert (finding["invariant"], finding["where"], finding["order_no"]) == ("I1", "order-2", 17)
    assert finding["sentence"].startswith("order-2: order 17")
    assert (told["exit"], told["gaps"]) == (exits.INCONSISTENT, [])
    assert told["counts"]["orders in the ledger"] == ORDERS


def test_a_history_is_judged_with_the_files(
    files: ClusterFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "history.jsonl"
    header, *history = files.records()
    with closing(HistoryWriter(path, header)) as writer:  # type: ignore[arg-type]
        for record in history:
            writer.write(record)
    arguments = ("--offline", "--data", files.data.root, "--history", path)
    assert run(*arguments) == exits.OK
    assert f"{ORDERS} trades acknowledged" in capsys.readouterr().out
    lost = files.history[1]
    files.damage("catalog", f"DELETE FROM catalog_app_entry WHERE order_no = {lost.order_no}")
    assert run(*arguments) == exits.INCONSISTENT
    assert "is lost: the ledger lacks its key (I3)" in capsys.readouterr().out


def test_nobody_to_ask_ends_with_4(files: ClusterFiles, capsys: pytest.CaptureFixture[str]) -> None:
    """Ports on which nobody listens."""
    root = files.data.root
    nodes = "".join(
        f"[[{name}]]\nid = 1\nport = {port}\ncontrol_port = {port + 1}\n"
        for name, port in (("front_ends", 1), ("replicas", 3))
    )
    (root / "cluster.toml").write_text(
        f"[catalog]\nport = 5\ncontrol_port = 6\n[dashboard]\nport = 7\n{nodes}"
    )
    (root / "cluster.secret").write_text("x" * 64)
    (root / "cluster.secret").chmod(0o600)
    assert run("--data", root) == exits.UNREACHABLE
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" cannot be read: ")[0] for line in lines[:2]] == [
        "not checked: order-1",
        "not checked: catalog",
    ]
    assert "no promise is broken in what could be checked" in lines[-1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-o", "xml"), "--output must be text or json, not 'xml'."),
        (("--url", "http://x:1"), "--url is where the orders of a --history are read back from."),
        (("--history", "/nonexistent/file"), "/nonexistent/file: No such file or directory."),
        (("--history", "/"), "/: Is a directory."),
        (("--history", __file__), "test_audit_command.py, line 1: Expected `object`"),
        (("--history", __file__, "--url", "ftp://x"), "--url: 'ftp://x' is not the address"),
        (("--data", "/nonexistent"), "There is no database of a catalog in /nonexistent."),
        (("--limit", "7"), "unrecognized arguments: --limit 7"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_2(
    files: ClusterFiles, arguments: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("audit", "--offline", "--data", str(files.data.root), *arguments)
    assert caught.value.returncode == exits.USAGE
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["/nonexistent", "/dev/null"])
def test_a_folder_without_a_cluster_cannot_be_asked(place: str) -> None:
    with pytest.raises(CommandError, match="There is no cluster in") as caught:
        call_command("audit", "--data", place)
    assert caught.value.returncode == exits.USAGE
