"""A database file that cannot be served is one sentence, with the command that mends it."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bazaar.cluster.ports import free_topology
from bazaar.settings import data_folder, database_file, env, typed
from bazaar.settings.env import SettingsError
from bazaar.topology import Role, dump
from tests.support.rights import WITHOUT_RIGHTS_UID, refusal_without_rights

OURS = ("BAZAAR", "DJANGO")
ENVIRON = {name: os.environ[name] for name in os.environ if name.partition("_")[0] not in OURS}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a database of each role, made by `cluster init`; on free ports."""
    folder = tmp_path_factory.mktemp("made") / "data"
    description = folder.with_name("cluster.toml")
    description.write_text(dump(free_topology()))
    arguments = ("cluster", "init", "--stocks", "asterix", "--data", str(folder))
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=env.ROOT,
        env={**ENVIRON, "BAZAAR_CLUSTER": str(description)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("of somebody's")


def replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_foreign(path: Path) -> None:
    path.unlink()
    execute(path, "CREATE TABLE songs (title TEXT)")


def make_newer(path: Path) -> None:
    app = Role(path.name.removesuffix(".sqlite3").partition("-")[0]).app
    row = f"('{app}', '9999_of_tomorrow', '2030-01-01')"
    execute(path, f"INSERT INTO django_migrations (app, name, applied) VALUES {row}")


def replace_by_garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 999)


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "folder": (replace_by_folder, "is a folder, not a database"),
    "dangling link": (replace_by_link, "is a link to"),
    "pipe": (replace_by_pipe, "is no file"),
    "empty": (lambda path: os.truncate(path, 0), "is empty, not a database"),
    "half": (halve, "is damaged (database disk image is malformed)"),
    "a few bytes": (
        lambda path: os.truncate(path, 50),
        "is damaged (database disk image is malformed)",
    ),
    "garbage": (replace_by_garbage, "is damaged (file is not a database)"),
    "foreign": (replace_by_foreign, "is not a database of this role; it has songs"),
    "newer": (make_newer, "of a newer version"),
}
FILES = [
    ("catalog.sqlite3", Role.CATALOG, 1),
    ("order-2.sqlite3", Role.ORDER, 2),
    ("dashboard.sqlite3", Role.DASHBOARD, 1),
]


def refuse(path: Path, role: Role, node_id: int) -> str:
    with pytest.raises(SettingsError) as caught:
        database_file.check(path, role, node_id)
    sentence = str(caught.value)
    assert sentence.startswith(f"BAZAAR_DATA_DIR: {path.name.removesuffix('.sqlite3')}: {path} ")
    assert "\n" not in sentence
    return sentence


def copy(made: Path, folder: Path) -> Path:
    data = folder / "data with a space"
    subprocess.run(["cp", "-a", str(made), str(data)], check=True)
    return data


@pytest.mark.parametrize(("name", "role", "node_id"), FILES)
def test_a_good_database_is_ready_and_a_missing_one_is_not(
    made: Path, tmp_path: Path, name: str, role: Role, node_id: int
) -> None:
    assert database_file.check(made / name, role, node_id)
    assert not database_file.check(tmp_path / name, role, node_id)
    assert not (tmp_path / name).exists(), "nothing was made"


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize(("name", "role", "node_id"), FILES)
def test_what_is_no_database_of_the_role_is_named_with_what_mends_it(
    made: Path, tmp_path: Path, kind: str, name: str, role: Role, node_id: int
) -> None:
    data = copy(made, tmp_path)
    break_it, reason = FAULTS[kind]
    break_it(data / name)
    sentence = refuse(data / name, role, node_id)
    assert reason in sentence
    assert f"`{typed.make_anew(role, node_id, data)}`" in sentence


@pytest.mark.parametrize(
    ("kind", "name", "role", "node_id"),
    [("empty", *FILES[0]), ("newer", *FILES[1]), ("dangling link", *FILES[2])],
)
def test_what_the_sentence_says_mends_it_as_it_is_typed(
    made: Path, tmp_path: Path, kind: str, name: str, role: Role, node_id: int
) -> None:
    data = copy(made, tmp_path)
    FAULTS[kind][0](data / name)
    _, line, _ = refuse(data / name, role, node_id).split("`")
    done = subprocess.run(
        ["sh", "-c", line],
        cwd="/",
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert database_file.check(data / name, role, node_id)


@pytest.mark.parametrize(("name", "role", "node_id"), FILES)
def test_the_database_of_another_role_is_refused(
    made: Path, tmp_path: Path, name: str, role: Role, node_id: int
) -> None:
    data = copy(made, tmp_path)
    for other, other_role, _ in FILES:
        if other != name:
            (data / name).write_bytes((made / other).read_bytes())
            sentence = refuse(data / name, role, node_id)
            assert f"is not a database of this role; it has {other_role.app}" in sentence


def test_a_locked_database_is_not_called_damaged(made: Path, tmp_path: Path) -> None:
    data = copy(made, tmp_path)
    path = data / "catalog.sqlite3"
    execute(path, "PRAGMA journal_mode=DELETE")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        sentence = refuse(path, Role.CATALOG, 1)
    assert "cannot be used now (database is locked)" in sentence
    assert "init" not in sentence


@pytest.mark.parametrize("closed", ["", "catalog.sqlite3"])
def test_what_this_user_may_not_use_is_named(made: Path, tmp_path: Path, closed: str) -> None:
    data = copy(made, tmp_path)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    data.chmod(0o777)
    path = data / "catalog.sqlite3"
    (data / closed).chmod(0)

    def check() -> None:
        data_folder.check_folder(data)
        database_file.check(path, Role.CATALOG, 1)

    sentence = refusal_without_rights(check)
    (data / closed).chmod(0o700)
    wanted = f"catalog: {path}" if closed else f"the folder {data}"
    user = f"this user (uid {WITHOUT_RIGHTS_UID})"
    assert f"{wanted} is not readable and writable for {user}" in sentence
