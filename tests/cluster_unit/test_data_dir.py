"""The data folder is private, and what is in it is made once and whole."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from bazaar import topology
from bazaar.cluster.data_dir import SOCKET_PATH_BYTES_MAX, DataDir, make_secret, write_whole
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.ports import free_topology
from bazaar.settings import env
from tests.support.rights import WITHOUT_RIGHTS_UID, refusal_without_rights


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "a" / "b")
    data.make()
    assert mode(data.root) == mode(data.logs) == 0o700


def test_an_existing_folder_is_closed_to_others_with_what_is_in_it(tmp_path: Path) -> None:
    """However it was made: by hand, by an older version, from a copy."""
    data, outside = DataDir(tmp_path / "data"), tmp_path / "outside"
    outside.write_text("not ours to change")
    data.logs.mkdir(parents=True)
    (data.root / "copies").mkdir()
    names = ("cluster.secret", "cluster.toml", "dashboard.sqlite3", "dashboard.sqlite3-wal")
    files = [data.root / name for name in names] + [data.log_path("catalog")]
    for path in files:
        path.write_text("x")
    for path in (outside, *files, data.root, data.logs, data.root / "copies"):
        path.chmod(0o777 if path.is_dir() else 0o644)
    (data.root / "link").symlink_to(outside)
    data.make()
    assert {mode(path) for path in files} == {0o600}
    assert {mode(path) for path in (data.root, data.logs, data.root / "copies")} == {0o700}
    assert mode(outside) == 0o644


def test_a_folder_of_another_user_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ClusterError, match=r"BAZAAR_DATA_DIR: .* belongs to another user \(uid"):
        DataDir(tmp_path).make()


def test_a_file_of_another_user_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "catalog.sqlite3"
    path.touch()
    path.chmod(0o644)

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(ClusterError, match=r"catalog\.sqlite3 is open to others \(mode 0644\)"):
        DataDir(tmp_path).make()


def test_a_folder_of_everybody_is_a_sentence_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "of another").touch()
    tmp_path.chmod(0o1777)
    with pytest.raises(ClusterError, match="is everybody's; name a folder of your own"):
        DataDir(tmp_path).make()
    assert mode(tmp_path) == 0o777


def test_the_empty_folder_of_a_new_file_system_becomes_private(tmp_path: Path) -> None:
    """Mounted by hand, a tmpfs is everybody's; the folder is used again later."""
    tmp_path.chmod(0o1777)
    for _ in range(2):
        DataDir(tmp_path).make()
        (tmp_path / "catalog.sqlite3").touch()
        assert mode(tmp_path) == 0o700


def test_a_file_written_whole_is_as_private_as_before(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    umask = os.umask(0)
    try:
        for _ in range(2):
            data.write_topology(free_topology())
            write_whole(tmp_path / "report.html", "for everybody")
    finally:
        os.umask(umask)
    assert mode(data.topology_path) == 0o600
    assert mode(tmp_path / "report.html") == 0o666


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(ClusterError, match=r"BAZAAR_DATA_DIR: /dev/null/x is not writable"):
        DataDir(Path("/dev/null/x")).make()


def replace_by_file(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.write_text("")


def replace_by_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def replace_by_link(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.symlink_to("/nowhere/at/all")


@pytest.mark.parametrize(
    ("name", "replace", "sentence"),
    [
        ("", replace_by_link, "is the data folder, but a link to /nowhere/at/all"),
        ("logs", replace_by_file, "is the folder of the logs, but a file is there"),
        ("logs", replace_by_link, "is the folder of the logs, but a link to"),
        ("cluster.toml", replace_by_folder, "is a folder, where a file belongs: move it away."),
        ("cluster.lock", replace_by_folder, "is a folder, where a file belongs: move it away."),
        ("supervisord.conf", replace_by_folder, "is a folder, where a file belongs"),
        ("dashboard.password", replace_by_folder, "is a folder, where a file belongs"),
        ("logs/order-2.log", replace_by_folder, "is a folder, where a file belongs"),
        ("logs/supervisord.log", replace_by_folder, "is a folder, where a file belongs"),
        ("supervisord.pid", replace_by_folder, "is a folder, where a file belongs"),
        ("supervisor.sock", replace_by_folder, "is no socket: move it away."),
        ("supervisor.sock", replace_by_file, "is no socket: move it away."),
    ],
)
@pytest.mark.parametrize("verb", [("status",), ("init",), ("up",), ("down",), ("rebuild", "2")])
def test_what_does_not_belong_into_the_folder_is_named_by_every_command(
    tmp_path: Path,
    verb: tuple[str, ...],
    name: str,
    replace: Callable[[Path], None],
    sentence: str,
) -> None:
    data = DataDir(tmp_path / "data")
    data.make()
    replace(data.root / name)
    with pytest.raises(CommandError) as caught:
        call_command("cluster", *verb, "--data", str(data.root))
    assert caught.value.returncode == 2
    assert str(caught.value).startswith(f"{data.root / name} {sentence}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("verb", [("status",), ("init",), ("up",), ("down",), ("rebuild", "2")])
def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path, verb: tuple[str, ...]) -> None:
    replace_by_file(tmp_path / "data")
    with pytest.raises(CommandError) as caught:
        call_command("cluster", *verb, "--data", str(tmp_path / "data"))
    assert str(caught.value).startswith(f"There is no cluster in {tmp_path / 'data'}: it is no")


@pytest.mark.parametrize("name", ["..", "", "logs", "cluster.toml"])
def test_what_this_user_may_not_read_is_named(tmp_path: Path, name: str) -> None:
    data = DataDir(tmp_path / "above" / "data")
    data.make()
    data.write_topology(free_topology())
    above = (data.root.parent, tmp_path, *tmp_path.parents[:3])
    for folder in (*above, *((data.root, data.logs) if name else ())):
        folder.chmod(folder.stat().st_mode | 0o755)  # one of them may be everybody's /tmp
    (data.root / name).resolve().chmod(0)
    sentence = refusal_without_rights(lambda: DataDir.of({"BAZAAR_DATA_DIR": str(data.root)}))
    (data.root / name).resolve().chmod(0o700)
    assert sentence.startswith(str(data.root / name).removesuffix("/.."))
    assert f"this user (uid {WITHOUT_RIGHTS_UID})" in sentence


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "cluster.secret"
    assert make_secret(path)
    assert mode(path) == 0o600
    secret = path.read_bytes()
    assert len(secret.strip()) >= env.SECRET_BYTES_MIN
    assert not make_secret(path)
    assert path.read_bytes() == secret
    assert list(tmp_path.iterdir()) == [path]


def test_two_secrets_differ(tmp_path: Path) -> None:
    make_secret(tmp_path / "a")
    make_secret(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_a_description_is_read_back(tmp_path: Path) -> None:
    data, found = DataDir(tmp_path), free_topology(replicas=5, front_ends=2)
    data.write_topology(found)
    assert data.read_topology() == found
    assert list(tmp_path.iterdir()) == [data.topology_path]


def test_a_missing_and_a_wrong_description_are_sentences(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with pytest.raises(ClusterError, match="cluster up"):
        data.read_topology()
    data.topology_path.write_text(topology.dump(free_topology()) + "[x]\n")
    with pytest.raises(ClusterError, match=r"cluster\.toml"):
        data.read_topology()


@pytest.mark.parametrize("length", [10, 60, 120, 300])
def test_the_socket_can_be_opened_however_long_the_folder_is(tmp_path: Path, length: int) -> None:
    data = DataDir(tmp_path / ("x" * (length // 2)) / ("y" * (length // 2)))
    data.make()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{data.socket_path}.1234567")  # supervisor binds under a longer name
    Path(f"{data.socket_path}.1234567").unlink()
    assert len(str(data.socket_path)) <= SOCKET_PATH_BYTES_MAX
    assert mode(data.socket_path.parent) & 0o077 == 0


def test_the_socket_of_another_folder_is_another(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    assert DataDir(long / "a").socket_path != DataDir(long / "b").socket_path


def test_every_role_but_the_front_end_has_a_database(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    assert data.database("catalog") == tmp_path / "catalog.sqlite3"
    assert data.database("order-12") == tmp_path / "order-12.sqlite3"
    assert data.database("dashboard") == tmp_path / "dashboard.sqlite3"
    assert data.database("frontend-1") is None
