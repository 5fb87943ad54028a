"""`manage.py loadtest`: what it refuses, what it writes, and its exit codes."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core.management import CommandError, call_command

import manage
from bazaar.client.client_dialects import CLIENT_DIALECTS
from bazaar.clock import wait_until
from bazaar.cluster import exits
from bazaar.cluster.ports import free_ports
from bazaar.loadtest.profiles import read_profile
from bazaar.proof.records import Done, Header, read_history
from bazaar.settings.env import ROOT
from tests.cluster_unit.front_end import FakeFrontEnd
from tests.support.summaries import read_summary

NAMES = [one.stock_name for one in read_profile("seed")]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def front_end() -> Iterator[FakeFrontEnd]:
    fake = FakeFrontEnd(dict.fromkeys(NAMES, 1000))
    yield fake
    fake.close()


@pytest.fixture
def run(front_end: FakeFrontEnd, tmp_path: Path) -> Run:
    """Run the command against the fake; return exit code and output."""

    def run_one(*arguments: str) -> tuple[int, str]:
        shared = ("--url", front_end.url, "--data", str(tmp_path / "data"))
        return run_command(*arguments, *shared)

    return run_one


def run_command(*arguments: str) -> tuple[int, str]:
    output = io.StringIO()
    try:
        call_command("loadtest", *arguments, stdout=output)
    except SystemExit as end:
        return int(end.code or 0), output.getvalue()
    except CommandError as error:
        return error.returncode, output.getvalue() + str(error)
    return exits.OK, output.getvalue()


def test_a_run_writes_what_is_wished_for(run: Run, front_end: FakeFrontEnd, tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in ("json", "csv", "history", "report")}
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    status, said = run("--requests", "300", "--processes", "2", "--no-proof", *options)
    assert status == exits.OK, said
    assert "passed" in said
    summary = read_summary(tmp_path / "json")
    assert (summary.count, summary.error_count, summary.exit) == (300, 0, exits.OK)
    assert summary.operations["trade"].ok == len(front_end.orders)
    header, *records = read_history(tmp_path / "history")
    assert isinstance(header, Header)
    assert [one.stock_name for one in header.openings] == NAMES
    assert sum(isinstance(one, Done) for one in records) == 300
    assert (tmp_path / "csv").read_text().startswith("at_s,kind,count,errors,p50_ms,")
    assert "<svg" in (tmp_path / "report" / "index.html").read_text()


def test_a_history_is_replayed_with_new_trades(
    run: Run, front_end: FakeFrontEnd, tmp_path: Path
) -> None:
    history, again = str(tmp_path / "one"), str(tmp_path / "two")
    assert run("--requests", "200", "--no-proof", "--history", history)[0] == exits.OK
    trades = len(front_end.orders)
    status, said = run("replay", history, "--no-proof", "--quiet", "--history", again)
    assert (status, len(front_end.orders)) == (exits.OK, 2 * trades), said
    first, second = (
        sorted(
            (one.client, one.kind, one.stock_name or "", one.trade_type or "", one.shares or 0)
            for one in read_history(Path(path))
            if isinstance(one, Done)
        )
        for path in (history, again)
    )
    assert first == second


@pytest.mark.parametrize("dialect", CLIENT_DIALECTS)
def test_a_load_is_sent_and_proved_in_each_dialect(
    run: Run, front_end: FakeFrontEnd, tmp_path: Path, dialect: str
) -> None:
    """What comes before the load is asked in v1, whatever it speaks."""
    history = tmp_path / "history"
    status, said = run(
        *("--requests", "200", "--dialect", dialect, "--quiet", "--history", str(history))
    )
    assert status == exits.OK, said
    assert front_end.dialects == {dialect, "v1"}
    header, *_ = read_history(history)
    assert isinstance(header, Header)
    assert header.options["dialect"] == dialect
    assert len(header.openings) == len(NAMES)
    assert f"{len(front_end.orders)} orders read back" in said


@pytest.mark.parametrize("dialect", CLIENT_DIALECTS)
def test_an_order_that_changes_afterwards_is_caught_in_each_dialect(
    run: Run, front_end: FakeFrontEnd, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    """The proof at the end can fail: one order of many has another quantity than acknowledged."""
    show = front_end.get

    def alter(target: str) -> tuple[int, Any, str]:
        status, body, failure = show(target)
        if target.endswith("order_no=1") and len(front_end.orders) > 20:
            body["data"] = {**body["data"], "quantity": 77}
        return status, body, failure

    monkeypatch.setattr(front_end, "get", alter)
    status, said = run(
        *("--requests", "300", "--lookup", "0", "--p", "1", "--dialect", dialect, "--quiet")
    )
    assert status == exits.INCONSISTENT, said
    assert "77" in said
    assert "failed: a promise was broken" in said


def test_a_token_is_sent_and_shown_nowhere(
    run: Run, front_end: FakeFrontEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in a result, and not in the command line of a load process."""
    commands: list[str] = []
    place = front_end.post

    def note(key: str, options: dict[str, Any]) -> tuple[int, Any, str]:
        children = psutil.Process().children(recursive=True)
        commands.append(" ".join(word for child in children for word in child.cmdline()))
        return place(key, options)

    monkeypatch.setattr(front_end, "post", note)
    monkeypatch.setenv("BAZAAR_TOKEN", "bazaar_of_the_variable")
    files = {name: str(tmp_path / name) for name in ("json", "csv", "history", "report")}
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    status, said = run("--requests", "60", "--token", "bazaar_secret", "--no-proof", *options)
    assert status == exits.OK, said
    assert set(front_end.authorizations) == {"Bearer bazaar_secret"}
    assert all("bazaar.loadtest.worker" in one for one in commands)
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= len(files)
    for text in (said.encode(), *(one.encode() for one in commands), *written):
        assert b"bazaar_secret" not in text
    front_end.authorizations.clear()
    assert run("--requests", "60", "--no-proof", "--quiet")[0] == exits.OK
    assert set(front_end.authorizations) == {"Bearer bazaar_of_the_variable"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--dialect", "latin"), "--dialect must be seed or course or v1, not 'latin'."),
        (("--token", "two words"), "--token has no token in it"),
    ],
)
def test_a_dialect_or_a_token_that_is_none_is_refused(
    run: Run, front_end: FakeFrontEnd, options: tuple[str, ...], words: str
) -> None:
    status, said = run(*options)
    assert (status, words in said, "two words" in said) == (exits.USAGE, True, False)
    assert front_end.dialects == set()


def test_a_missed_threshold_is_99(run: Run) -> None:
    status, said = run(
        *("--requests", "50", "--no-proof", "--quiet"),
        *("--threshold", "count>=50", "--threshold", "query_p50<0.000001s"),
    )
    assert status == exits.THRESHOLD
    assert "threshold count>=50: met (50)" in said
    assert "threshold query_p50<0.000001s: MISSED" in said


def test_errors_over_the_limit_are_1_and_refused_trades_are_no_errors(
    run: Run, front_end: FakeFrontEnd
) -> None:
    options = ("--requests", "100", "--no-proof", "--quiet")
    front_end.refused = dict.fromkeys(NAMES, "insufficient_quantity")
    assert run(*options)[0] == exits.OK
    front_end.refused = dict.fromkeys(NAMES, "key_reused")
    status, said = run(*options)
    assert (status, "malformed" in said) == (exits.ERRORS, True)
    assert run(*options, "--error-limit", "50%")[0] == exits.OK
    assert "denied" not in said
    front_end.refused = dict.fromkeys(NAMES, "token_required")
    status, said = run(*options)
    assert (status, "denied: `manage.py token create NAME` makes" in said) == (exits.ERRORS, True)


def test_nobody_there_is_4() -> None:
    (port,) = free_ports(1)
    status, said = run_command("--url", f"http://127.0.0.1:{port}")
    assert status == exits.UNREACHABLE
    assert f"http://127.0.0.1:{port} cannot be reached" in said
    assert "\n" not in said


def test_a_cluster_with_other_stocks_is_refused(run: Run, front_end: FakeFrontEnd) -> None:
    status, said = run("--profile", "sp500")
    assert (status, said.endswith("the stocks of the profile sp500.")) == (exits.USAGE, True)
    front_end.stocks = {"Anvil": 5}
    assert "the stocks of any profile" in run()[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--clients", "0"),
        ("--clients", "many"),
        ("--processes", "9"),
        ("--rate", "-1"),
        ("--rate", "nan"),
        ("--duration", "5x"),
        ("--duration", "0"),
        ("--requests", "1.5"),
        ("--warmup", "-1s"),
        ("--p", "1.1"),
        ("--lookup", "x"),
        ("--stocks", "0"),
        ("--stocks", "11"),
        ("--zipf", "-2"),
        ("--profile", "none"),
        ("--seed", "-1"),
        ("--deadline", "0s"),
        ("--url", "ftp://127.0.0.1"),
        ("--threshold", "trade_p99"),
        ("--error-limit", "101%"),
        ("--chaos", "kill-everybody"),
        ("--chaos", "kill-leader"),
        ("--chaos-interval", "5s"),
        ("--history", "/proc/nowhere/h"),
        ("--history", "/dev/full"),
        ("--json", "/proc/nowhere/j"),
        ("--csv", "/proc"),
        ("--report", "/proc/nowhere/r"),
        ("replay", "/nowhere/h"),
        ("replay", __file__),
        ("replay",),
        ("dance",),
        ("--nonsense",),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: tuple[str, ...], run: Run) -> None:
    status, said = run(*arguments)
    assert status == exits.USAGE, said
    assert 0 < len(said) < 400
    assert "\n" not in said


@pytest.mark.parametrize("verb", [("replay", "x.jsonl"), ("evaluate",)])
def test_an_option_before_a_verb_is_refused_and_not_forgotten(
    verb: tuple[str, ...],
) -> None:
    with pytest.raises(CommandError, match=f"--p belongs behind {verb[0]}"):
        call_command("loadtest", "--p", "0.3", *verb)


def test_a_full_disk_is_told_with_the_results(run: Run) -> None:
    files = ("--json", "/dev/full", "--csv", "/dev/full")
    status, said = run("--requests", "20", "--no-proof", "--quiet", *files)
    assert status == exits.USAGE
    for option in ("--json", "--csv"):
        assert f"{option}: /dev/full cannot be written (No space left on device)." in said
    assert "20 operations in" in said


def start(front_end: FakeFrontEnd, tmp_path: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, str(ROOT / "manage.py"), "loadtest", "--url", front_end.url),
            *("--data", str(tmp_path / "data"), "--duration", "60s", "--quiet", *options),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_ctrl_c_ends_with_the_summary_so_far(front_end: FakeFrontEnd, tmp_path: Path) -> None:
    path = tmp_path / "json"
    with start(front_end, tmp_path, "--json", str(path)) as process:
        assert wait_until(lambda: len(front_end.orders) > 5, 20)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    assert process.returncode == exits.INTERRUPTED, said
    assert "interrupted: this is as far as it came" in said
    assert "Traceback" not in said
    assert read_summary(path).operations["trade"].ok > 5


def test_ctrl_c_at_once_ends_without_a_word_of_python(
    front_end: FakeFrontEnd, tmp_path: Path
) -> None:
    with start(front_end, tmp_path) as process:
        assert wait_until(lambda: _is_python_up(process.pid), 20)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    assert (process.returncode, said.strip()) == (exits.INTERRUPTED, "")


def test_ctrl_c_while_a_class_is_made_is_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise RuntimeError from KeyboardInterrupt()

    monkeypatch.setattr(manage, "_run", interrupt)
    assert manage.main() == exits.INTERRUPTED


def _is_python_up(pid: int) -> bool:
    """Tell whether a process has begun to import Django, whose C extensions it then maps."""
    return "msgspec" in Path(f"/proc/{pid}/maps").read_text()


def test_a_disk_that_fills_during_the_run_ends_it(front_end: FakeFrontEnd, tmp_path: Path) -> None:
    limit = f"ulimit -f 1100; exec {sys.executable} manage.py loadtest"
    options = f"--url {front_end.url} --data {tmp_path}/data --duration 60s --quiet"
    done = subprocess.run(
        ["sh", "-c", f"{limit} {options} --history {tmp_path}/h"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == exits.USAGE, done.stdout + done.stderr
    assert f"--history: {tmp_path}/h cannot be written (File too large)." in done.stdout
    assert done.stderr == ""


def test_a_lost_process_is_noticed(front_end: FakeFrontEnd, tmp_path: Path) -> None:
    with start(
        front_end, tmp_path, "--no-proof", "--processes", "2", "--duration", "2s"
    ) as process:
        assert wait_until(lambda: len(front_end.orders) > 5, 20)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        said, _ = process.communicate(timeout=20)
    assert process.returncode == exits.ERRORS, said
    assert "A load process was lost" in said


def test_json_can_be_read_from_the_standard_output(front_end: FakeFrontEnd, tmp_path: Path) -> None:
    options = ("--json", "-", "--requests", "20", "--no-proof", "--duration", "20s")
    with start(front_end, tmp_path, *options) as process:
        said, _ = process.communicate(timeout=30)
    assert json.loads(said)["operations"]["query"]["count"] > 0
