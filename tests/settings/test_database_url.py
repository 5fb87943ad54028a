"""URLs of databases: several hosts, odd passwords, and sentences that show no secret."""

import re
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


def test_an_option_that_is_true_or_false_is_so_for_the_driver() -> None:
    options = parse("mysql://h/n?ssl_ca=f&ssl_verify_identity=false").make_settings(3.5, 3.0)
    assert options["OPTIONS"]["ssl_verify_identity"] is False
    assert options["OPTIONS"]["ssl_ca"] == "f"


@pytest.mark.parametrize("answer_s", [0.4, 1.0, 1.3, 3.0, 3.5, 60.0])
def test_a_server_tells_of_a_lock_before_it_counts_as_away(answer_s: float) -> None:
    """And ends no session that waits for what it may wait for, whole seconds or not."""
    idle_s = answer_s + 0.5
    found = parse("mysql://h/n").make_settings(idle_s, answer_s)["OPTIONS"]
    session = dict(re.findall(r"(\w+) = (\d+)", found["init_command"]))
    assert int(session["innodb_lock_wait_timeout"]) < found["read_timeout"] == answer_s
    assert idle_s <= int(session["idle_transaction_timeout"]) < idle_s + 1
    found = parse("postgresql://h/n").make_settings(idle_s, answer_s)["OPTIONS"]
    session = dict(re.findall(r"(\w+)=(\d+)", found["options"]))
    assert 0 < int(session["lock_timeout"]) / 1000 < found["read_timeout"] == answer_s
    assert int(session["idle_in_transaction_session_timeout"]) / 1000 >= idle_s


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
        ("mysql://u:secret@h/n?sslmode=require", "sslmode is no option of mariadb://, which has"),
        ("postgresql://u:secret@h/n?ssl_ca=f", "ssl_ca is no option of postgresql://"),
        ("postgresql://u:secret@h/n?sslmode=maybe", "its option sslmode is disable or .*'maybe'"),
        ("mysql://u:secret@h/n?ssl_verify_cert=often", "ssl_verify_cert is true or false, not"),
        ("mysql://u:secret@h/n?max_allowed_packet=x", "max_allowed_packet is no option"),
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
