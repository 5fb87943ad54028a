"""Tests that share a cluster run in one process, one after the other."""

import ast

import pytest

from tests.conftest import CLUSTERS, OWN_CLUSTERS, group_of


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("tests/architecture/test_tidy.py", "architecture"),
        ("tests/browser/test_api.py", "browser"),
        ("tests/cluster/test_backup.py", "tests/cluster/test_backup.py"),
        ("tests/cluster/test_crashes.py", "shared cluster"),
        ("tests/core/test_cache.py", "tests/core/test_cache.py"),
        ("tests/cluster_unit/test_backup.py", "tests/cluster_unit/test_backup.py"),
    ],
)
def test_a_file_is_in_the_group_of_its_clusters(path: str, group: str) -> None:
    assert group_of(path) == group


def test_files_with_clusters_of_their_own_use_no_shared_one() -> None:
    """Else two processes would each start the shared cluster."""
    for name in sorted(OWN_CLUSTERS):
        tree = ast.parse((CLUSTERS / name).read_text(encoding="utf-8"))
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
        tests = [one for one in functions if one.name.startswith("test_")]
        assert not [one.name for one in tests if "cluster" in {a.arg for a in one.args.args}], name


def test_files_that_share_the_cluster_are_all_others() -> None:
    names = {path.name for path in CLUSTERS.glob("test_*.py")}
    assert names > set(OWN_CLUSTERS), "a file of OWN_CLUSTERS was renamed"
