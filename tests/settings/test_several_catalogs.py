"""A description with several catalogs on one database (docs/adr/0048)."""

from pathlib import Path

import msgspec
import pytest

from bazaar import topology
from bazaar.settings import env
from bazaar.settings.env import SettingsError
from bazaar.topology import Node, Role, Topology, TopologyError, role_of

URL = "postgresql://h/catalog"


def describe(*databases: str | None) -> Topology:
    """Return a cluster with as many catalogs, each at its database."""
    catalogs = tuple(
        Node(id=at, port=9000 + at, control_port=9100 + at, database=database)
        for at, database in enumerate(databases, 1)
    )
    return msgspec.structs.replace(topology.local(1), catalogs=catalogs)


def read(*databases: str | None) -> Topology:
    return topology.parse(topology.dump(describe(*databases)))


def test_a_description_keeps_all_catalogs() -> None:
    found = read(URL, "postgresql://other,h/catalog", URL)
    assert found == describe(URL, "postgresql://other,h/catalog", URL)
    names = [name for name, _ in found.nodes() if role_of(name) is Role.CATALOG]
    assert names == ["catalog", "catalog-2", "catalog-3"]
    assert found.catalog.id == 1


def test_a_single_one_is_described_as_ever() -> None:
    """Older versions read it, and descriptions of theirs are read."""
    text = topology.dump(topology.local(1))
    assert "[catalog]" in text
    assert "catalogs" not in text
    assert topology.parse(text) == topology.local(1)


@pytest.mark.parametrize(
    ("databases", "reason"),
    [((URL, None), "several need one database on a server"), ((None, None), "several need one")],
)
def test_several_on_files_are_refused(databases: tuple[str | None, ...], reason: str) -> None:
    with pytest.raises(TopologyError, match=reason):
        read(*databases)


def test_both_ways_at_once_are_refused() -> None:
    both = topology.dump(topology.local(1)) + topology.dump(describe(URL, URL))
    with pytest.raises(TopologyError, match="catalog"):
        topology.parse(both.replace("[dashboard]", "[other]", 1))


def test_the_variable_says_which_one_a_process_is(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(topology.dump(describe(URL, URL)))
    environ = {"BAZAAR_CLUSTER": str(path)}
    assert env.read_node(environ, Role.CATALOG).id == 1
    assert env.read_node({**environ, "BAZAAR_CATALOG_ID": "2"}, Role.CATALOG).id == 2
    with pytest.raises(SettingsError, match="BAZAAR_CATALOG_ID: no catalog has the id 3"):
        env.read_node({**environ, "BAZAAR_CATALOG_ID": "3"}, Role.CATALOG)
