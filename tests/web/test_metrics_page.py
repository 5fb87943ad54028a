"""`/metrics` is for who has the token, and holds what the process counts."""

from pathlib import Path

import pytest
from pytest_django import Settings

from bazaar.runtime.prometheus import CONTENT_TYPE
from bazaar.web.metrics_page import TOKEN_FILE
from tests.support.listeners import Listener

pytestmark = pytest.mark.usefixtures("cluster_of_this_folder")
TOKEN = "a token of the tests"


@pytest.fixture
def cluster_of_this_folder(tmp_path: Path, settings: Settings) -> Path:
    settings.BAZAAR_DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def token(tmp_path: Path) -> dict[str, str]:
    """Write a token, and return the headers that show it."""
    (tmp_path / TOKEN_FILE).write_text(f"{TOKEN}\n")
    return {"Authorization": f"Bearer {TOKEN}"}


def scrape(headers: dict[str, str], path: str = "/metrics") -> tuple[int, str, str]:
    reply = Listener("bazaar.urls.frontend_control").call("GET", path, b"", headers)
    return reply.status, reply.headers.get("content-type", ""), reply.body.decode()


def test_who_has_the_token_gets_metrics(token: dict[str, str]) -> None:
    status, kind, text = scrape(token)
    assert (status, kind) == (200, CONTENT_TYPE)
    assert 'bazaar_info{process="frontend-1",role="frontend"} 1.0' in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "bearer x", f"Basic {TOKEN}"])
@pytest.mark.usefixtures("token")
def test_nobody_else_does(header: str) -> None:
    headers = {"Authorization": header} if header else {}
    status, _, text = scrape(headers)
    assert status == 401
    assert "bazaar_info" not in text


def test_a_new_token_counts_at_once(token: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / TOKEN_FILE).write_text("another one\n")
    assert scrape(token)[0] == 401
    assert scrape({"Authorization": "Bearer another one"})[0] == 200


def test_without_a_token_only_this_machine_is_answered() -> None:
    assert scrape({})[0] == 200
    assert scrape({"X-Forwarded-For": "10.0.0.1"})[0] == 401


def test_a_token_that_cannot_be_read_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / TOKEN_FILE).mkdir()
    assert scrape({})[0] == 401


def test_the_token_is_no_part_of_the_answer(token: dict[str, str]) -> None:
    assert TOKEN not in scrape(token)[2]
