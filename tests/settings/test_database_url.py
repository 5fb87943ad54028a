"""URLs of databases: several hosts, odd passwords, and sentences that show no secret."""

from pathlib import Path

import pytest

from bazaar import topology
from bazaar.settings import database_url, env
from bazaar.settings.database_url import DatabaseUrlError, parse
from bazaar.settings.env import SettingsError
from bazaar.topology import Node, TopologyError

NODE = Node(port=1)


def test_all_parts_are_read() -> None:
    url = parse("postgresql://me:a%40b%2Fc@h1:1,[::1]:2,h3/orders?sslmode=require")
    assert (url.user, url.password, url.name) == ("me", "a@b/c", "orders")
    assert url.hosts == (("h1", 1), ("::1", 2), ("h3", 5432))
    found = url.make_settings(3.5, 3.0)
    assert (found["HOST"], found["PORT"]) == ("h1,::1,h3", "1,2,5432")
    assert found["OPTIONS"]["sslmode"] == "require"
    assert found["OPTIONS"]["target_session_attrs"] == "read-write"


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_mariadb_has_two_schemes(scheme: str) -> None:
    url = parse(f"{scheme}://h/n")
    assert url.hosts == (("h", 3306),)
    assert url.make_settings(3.5, 3.0)["ENGINE"] == "bazaar.runtime.backends.mariadb"


def test_without_hosts_it_is_the_drivers_default() -> None:
    assert parse("postgresql:///n?host=/run/postgresql").hosts == ()


def test_a_password_is_never_shown() -> None:
    assert str(parse("mysql://me:secret@h1,h2:7/n?ssl_ca=f")) == "mariadb://me@h1:3306,h2:7/n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("oracle://u:secret@h/n", "oracle:// is none of postgresql"),
        ("postgresql://u:secret@h", "has to look like"),
        ("postgresql://u:se/cret@h/n", "%40"),
        ("postgresql://u:secret@h:0/n", "its host 1 is no HOST"),
        ("postgresql://u:secret@h:99999/n", "is no HOST"),
        ("postgresql://u:secret@h h/n", "is no HOST"),
        ("postgresql://u:secret/n", "before it comes USER:PASSWORD@"),
        ("mysql://u:secret@h,h:x/n", "its host 2 is no HOST"),
        ("mysql://u:secret@h/n?init_command=SET", "its option init_command is set by Bazaar"),
        ("postgresql://u:secret@h/n?options=-c", "its option options is set by Bazaar"),
        ("sqlite3", "has to look like"),
    ],
)
def test_a_wrong_url_is_one_sentence(text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        env.read_database_url({"BAZAAR_DATABASE_URL": text}, "catalog", NODE)
    assert str(caught.value).startswith("BAZAAR_DATABASE_URL: ")
    assert "secret" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_the_variable_comes_before_the_description() -> None:
    node = Node(port=1, database="mysql://described/n")
    found = env.read_database_url({}, "catalog", node)
    assert str(found) == "mariadb://described:3306/n"
    found = env.read_database_url({"BAZAAR_DATABASE_URL": "mysql://given/n"}, "catalog", node)
    assert str(found) == "mariadb://given:3306/n"
    assert env.read_database_url({}, "catalog", NODE) is None


def test_a_missing_driver_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_url, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"needs psycopg.*\[postgresql\]"):
        env.read_database_url({}, "catalog", Node(port=1, database="postgresql://h/n"))


def test_a_wrong_url_is_refused_by_itself() -> None:
    with pytest.raises(DatabaseUrlError):
        parse("nothing")


def describe(**databases: str) -> str:
    found = topology.local(2)
    nodes = {
        name: Node(
            id=node.id,
            port=node.port,
            control_port=node.control_port,
            database=databases.get(name.replace("-", "_")),
        )
        for name, node in found.nodes()
    }
    return topology.dump(found.map_nodes(lambda one: nodes[_name(found, one)]))


def _name(found: topology.Topology, node: Node) -> str:
    return next(name for name, other in found.nodes() if other is node)


def test_a_description_keeps_the_databases(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(describe(catalog="postgresql://h/catalog"))
    found = topology.load(path)
    assert found.catalog.database == "postgresql://h/catalog"
    assert found.dashboard.database is None
    assert "database" not in topology.dump(topology.local(2))


@pytest.mark.parametrize(
    ("databases", "reason"),
    [
        ({"order_1": "mysql://h/n", "order_2": "mysql://h/n"}, "the same database"),
        ({"frontend_1": "mysql://h/n"}, "frontend-1: it has no database"),
    ],
)
def test_a_description_is_refused(databases: dict[str, str], reason: str) -> None:
    with pytest.raises(TopologyError, match=reason):
        topology.parse(describe(**databases))
