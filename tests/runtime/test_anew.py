"""A damaged database on a server is not made anew by its process."""

import pytest
from django.db import connection

from bazaar.runtime.anew import NoAside, make_aside
from bazaar.runtime.engines import SqliteEngine


def test_what_is_on_a_server_says_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteEngine, "is_file", False)
    aside = make_aside()
    assert isinstance(aside, NoAside)
    assert "an empty database" in aside.find_hindrance()
    assert not aside.path.exists()


def test_what_is_a_file_is_kept_beside_it() -> None:
    path = make_aside().path
    assert path.name == str(connection.settings_dict["NAME"]).rpartition("/")[2]
    assert path.parent.parent.name == "aside"
