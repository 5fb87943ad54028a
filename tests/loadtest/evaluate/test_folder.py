"""An evaluation is a folder that a reader understands without the code."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.evaluate import command, folder, text
from bazaar.loadtest.evaluate.results import Evaluation
from tests.loadtest.evaluate.evaluations import evaluation

pytestmark = pytest.mark.xdist_group("evaluation")  # drawing all plots takes seconds: once


def options(out: Path, **facts: Any) -> dict[str, Any]:
    told = {"seconds": "10", "rate": "100", "clients": "4", "seed": "1", "redraw": True}
    return {"out": str(out), **told, **facts}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluation") / "new"
    folder.write(evaluation(), out)
    return out


def test_every_plot_is_there_as_png_and_as_svg(written: Path) -> None:
    names = {path.name for path in written.iterdir()}
    plots = {path.stem for path in written.glob("*.png")}
    assert plots == {path.stem for path in written.glob("*.svg")}
    assert {"latency-by-p", "hits-and-misses", "small-cache", "crashes-latency"} <= plots
    assert {"README.md", "results.json"} <= names


def test_every_link_of_the_page_leads_somewhere(written: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", (written / "README.md").read_text())
    assert len(links) >= 6
    assert [link for link in links if not (written / link).exists()] == []


def test_the_page_names_machine_command_and_meaning(written: Path) -> None:
    page = (written / "README.md").read_text()
    for words in (
        *("manage.py loadtest evaluate", "Abacus, 2 cores", "django 5.2", "8 min 1 s"),
        *(
            "| 0.8, without |",
            "At p = 0.8 the median look-up takes",
            "At every p the median hit is faster",
        ),
        *("`BAZAAR_CACHE_STOCKS_MAX=50`", "| kill-leader | order-3 | 3.0 s | 0.4 s | 0.42 s | - |"),
    ):
        assert words in " ".join(page.split()), words
    assert max(len(line) for line in page.splitlines() if line[:1].isalpha()) <= text.LINE_MAX
    assert "{{" not in page
    assert "{%" not in page
    assert "&amp;" not in page


def test_the_tables_are_whole(written: Path) -> None:
    page = (written / "README.md").read_text()
    tables = re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE)
    assert len(tables) == 4
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_numbers_are_read_back_and_drawn_again(written: Path, tmp_path: Path) -> None:
    assert folder.read(written) == evaluation()
    few = msgspec.structs.replace(evaluation(), outcomes=evaluation().outcomes[:2])
    (tmp_path / "results.json").write_bytes(msgspec.json.encode(few))
    said: list[str] = []
    assert command.run(options(tmp_path), {}, said.append) == 0
    assert (tmp_path / "README.md").read_text() == text.render(few)
    assert len(said) == len(list(tmp_path.iterdir())) > 2


def test_an_evaluation_of_nothing_is_a_page_without_claims() -> None:
    bare = Evaluation(
        machine=evaluation().machine,
        started="",
        took_s=0.0,
        effort=evaluation().effort,
        stocks=0,
        best_share=0.0,
        outcomes=(),
    )
    page = text.render(bare)
    assert "faster" not in page
    assert "## Crashes" not in page


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"seconds": "0.5"}, "--seconds must be a number from 2 to 45, not '0.5'."),
        ({"seconds": "nan"}, "--seconds must be"),
        ({"rate": "0"}, "--rate must be a whole number from 1 to 5000, not '0'."),
        ({"clients": "-1"}, "--clients must be a whole number from 1 to 1000, not '-1'."),
    ],
)
def test_what_cannot_be_measured_is_refused(
    tmp_path: Path, facts: dict[str, Any], words: str
) -> None:
    with pytest.raises(CommandFailed, match=re.escape(words)):
        command.run(options(tmp_path, redraw=False, **facts), {}, print)


def test_a_folder_that_cannot_be_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandFailed, match=r"^--out: .* cannot be written .*\.$"):
        command.run(options(tmp_path / "file" / "out", redraw=False), {}, print)


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"results.json cannot be read"):
        command.run(options(tmp_path), {}, print)
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(CommandFailed, match=r"results.json cannot be read"):
        command.run(options(tmp_path), {}, print)
