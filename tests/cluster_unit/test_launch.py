"""The launcher says what is wrong in one sentence, before any server starts."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bazaar.clock import wait_until
from bazaar.cluster.data_dir import DataDir, make_secret
from bazaar.cluster.launch import SERVERS, await_command, command
from bazaar.cluster.ports import free_topology
from bazaar.settings import database_file, env
from bazaar.settings.env import SettingsError, StorageAwayError
from bazaar.topology import Node, Role, Topology
from bazaar.web import lone_process
from tests.support.disks import SmallDisk
from tests.support.waits import in_thread

TIMEOUT_S = 30.0


@pytest.fixture
def found() -> Topology:
    return free_topology()


@pytest.fixture
def environ(tmp_path: Path, found: Topology) -> dict[str, str]:
    data = DataDir(tmp_path / "data")
    data.make()
    data.write_topology(found)
    make_secret(data.root / "cluster.secret")
    return {"BAZAAR_DATA_DIR": str(data.root), "BAZAAR_CLUSTER": str(data.topology_path)}


def launch(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bazaar.cluster.launch", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def refuse(environ: dict[str, str], *arguments: str) -> str:
    """Return the one sentence with which the launcher refuses."""
    done = launch(environ, *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_an_unknown_role_is_named(environ: dict[str, str]) -> None:
    assert "'broker' is not a role" in refuse(environ, "broker")


def test_an_unknown_server_is_named(environ: dict[str, str]) -> None:
    assert "'nginx' is not a server" in refuse(environ, "catalog", "--server", "nginx")


def test_a_replica_needs_its_id(environ: dict[str, str]) -> None:
    assert "BAZAAR_REPLICA_ID is not set" in refuse(environ, "order")


@pytest.mark.parametrize("wrong", ["0", "4", "x", ""])
def test_an_id_out_of_range_names_the_variable(environ: dict[str, str], wrong: str) -> None:
    assert "BAZAAR_REPLICA_ID" in refuse(environ, "order", "--id", wrong)
    assert "BAZAAR_FRONT_END_ID" in refuse(environ, "frontend", "--id", wrong)


def test_a_wrong_limit_names_the_variable(environ: dict[str, str]) -> None:
    environ["BAZAAR_LEASE_S"] = "0.5"
    assert "BAZAAR_LEASE_S" in refuse(environ, "catalog")


def test_a_taken_port_names_port_and_role(environ: dict[str, str], found: Topology) -> None:
    with socket.create_server(found.replica(2).control_address):
        sentence = refuse(environ, "order", "--id", "2")
    for word in ("order-2", str(found.replica(2).control_port), "BAZAAR_CLUSTER"):
        assert word in sentence


def test_a_missing_a_short_and_an_open_secret_stop_every_role(environ: dict[str, str]) -> None:
    path = env.secret_path(environ)
    path.chmod(0o644)
    for role in (Role.CATALOG, Role.DASHBOARD, Role.FRONT_END):
        with pytest.raises(SettingsError, match="open to others"):
            command(role, "granian", environ)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(SettingsError, match="5 bytes"):
        command(Role.DASHBOARD, "granian", environ)
    path.unlink()
    with pytest.raises(SettingsError, match=r"BAZAAR_SECRET_FILE.*cluster init"):
        command(Role.DASHBOARD, "granian", environ)


def test_a_database_that_cannot_be_written_is_named(environ: dict[str, str]) -> None:
    (Path(environ["BAZAAR_DATA_DIR"]) / "order-1.sqlite3").mkdir()
    environ["BAZAAR_REPLICA_ID"] = "1"
    with pytest.raises(SettingsError, match=r"order-1\.sqlite3 is a folder"):
        command(Role.ORDER, "granian", environ)
    command(Role.FRONT_END, "granian", environ)  # which has none


def test_the_launcher_waits_for_a_database_that_is_locked(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no damage, and the process need not be started again."""
    environ["BAZAAR_REPLICA_ID"] = "1"
    path, errors = Path(environ["BAZAAR_DATA_DIR"]) / "order-1.sqlite3", list[str]()

    def is_told() -> bool:
        errors.append(capsys.readouterr().err)
        return "waiting: BAZAAR_DATA_DIR: order-1: " in "".join(errors)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 1")
        other.execute("BEGIN EXCLUSIVE")
        waiting = in_thread(lambda: await_command(Role.ORDER, "granian", environ))
        assert wait_until(is_told, TIMEOUT_S)
        assert not waiting.done()
    assert waiting.result(TIMEOUT_S)[2] == lone_process.MODULE
    assert "database is locked" in "".join(errors)


def test_a_file_system_that_is_read_only_is_waited_for(
    environ: dict[str, str], tmp_path: Path
) -> None:
    with SmallDisk(tmp_path / "disk", 2**20) as disk:
        shutil.copytree(environ["BAZAAR_DATA_DIR"], disk.path / "data")
        environ |= {"BAZAAR_DATA_DIR": str(disk.path / "data"), "BAZAAR_REPLICA_ID": "1"}
        path = disk.path / "data" / "order-1.sqlite3"
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 1")
        disk.lock()
        with pytest.raises(StorageAwayError, match="on a file system that is read-only now"):
            command(Role.ORDER, "granian", environ)
        with pytest.raises(StorageAwayError, match=r"order-1.*read-only now"):
            database_file.check(path, Role.ORDER, 1)
        disk.unlock()
        assert command(Role.ORDER, "granian", environ)


@pytest.mark.parametrize("server", SERVERS)
def test_a_database_that_was_not_made_is_one_sentence_of_the_servers_worker(
    environ: dict[str, str], server: str
) -> None:
    done = launch(environ, "order", "--id", "2", "--server", server)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    assert "BAZAAR_DATA_DIR: the database lacks " in output
    assert f"cluster rebuild 2 --data {environ['BAZAAR_DATA_DIR']}` makes it ready." in output


@pytest.mark.parametrize("server", SERVERS)
def test_a_catalog_made_anew_beside_a_full_replica_does_not_start(
    environ: dict[str, str], server: str
) -> None:
    folder = Path(environ["BAZAAR_DATA_DIR"])
    with closing(sqlite3.connect(folder / "order-2.sqlite3")) as log:
        log.execute("CREATE TABLE order_app_logentry (order_no INTEGER PRIMARY KEY)")
        log.execute("INSERT INTO order_app_logentry VALUES (1234)")
        log.commit()
    done = launch(environ, "catalog", "--server", server)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    assert "catalog has no database, but replica 2 has 1,234 orders: put a copy of" in output


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_gets_its_address(environ: dict[str, str], found: Topology, server: str) -> None:
    line = command(Role.FRONT_END, server, {**environ, "BAZAAR_FRONT_END_ID": "1"})
    assert line[:2] == [sys.executable, "-m"]
    assert server in line[2]
    assert line[-1] == "bazaar.wsgi:application"
    assert str(found.front_end(1).port) in " ".join(line)


@pytest.mark.parametrize("role", [Role.CATALOG, Role.ORDER])
def test_a_role_of_one_process_has_nothing_that_manages_it(
    environ: dict[str, str], found: Topology, role: Role
) -> None:
    environ |= {"BAZAAR_REPLICA_ID": "1"}
    node = found.catalog if role is Role.CATALOG else found.replica(1)
    address = ["--host", node.host, "--port", str(node.port)]
    assert command(role, "granian", environ)[2:] == [lone_process.MODULE, *address]
    assert command(role, "gunicorn", environ)[2] == "gunicorn"


def test_gunicorn_understands_ipv6() -> None:
    assert "[::1]:1234" in SERVERS["gunicorn"](Node(host="::1", port=1234))


def test_the_launcher_does_without_django() -> None:
    """Every role starts twice as slowly otherwise: once here, once where it is served."""
    script = "import sys, bazaar.cluster.launch; print(*[n for n in sys.modules if 'django' in n])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert {"django.conf", "django.apps", "django.db", "rest_framework"}.isdisjoint(
        done.stdout.split()
    )


@pytest.mark.parametrize("server", SERVERS)
def test_what_is_said_before_there_is_a_log_is_json_too(
    environ: dict[str, str], server: str
) -> None:
    """By the launcher, then by the server's worker, then by what manages it."""
    environ["BAZAAR_LOG"] = "json"
    refused = launch(environ, "order", "--id", "77", "--server", server)
    unmade = launch(environ, "order", "--id", "2", "--server", server)
    for done, variable in ((refused, "BAZAAR_REPLICA_ID"), (unmade, "BAZAAR_DATA_DIR")):
        assert done.returncode != 0
        lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
        assert {line["role"] for line in lines} == {"order"}
        assert any(line["event"].startswith(variable) for line in lines)
        assert all({"time", "level", "event"} <= set(line) for line in lines)
