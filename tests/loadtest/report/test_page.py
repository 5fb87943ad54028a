"""The report is one page that needs nothing else, says what was found, and trusts no word."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bazaar.cluster import exits
from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.outputs import Outputs, write_report
from bazaar.loadtest.report.page import FINDINGS_MAX, render
from bazaar.loadtest.report.theme import PLACES
from bazaar.loadtest.summary import Summary
from bazaar.proof.records import Mark
from tests.loadtest.report.summaries import summary

EVIL = "<script>alert('x')</script>$\\frac$&"
_EMPTY_ELEMENTS = {"meta", "br", "img", "link", "input"}


class Page(HTMLParser):
    """What stands in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _EMPTY_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} is closed out of turn"

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def full() -> str:
    return render(summary())


def test_the_page_needs_nothing_else(full: str) -> None:
    page = Page(full)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object"} & page.tags.keys()
    references = [value for name, value in page.attributes if name.endswith(("href", "src"))]
    assert references
    assert all(value.startswith("#") for value in references)
    assert "@import" not in full
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", full).replace("http://127.0.0.1:1", "")
    assert not re.search(r"url\((?!#)", full)


def test_every_reference_in_the_page_has_one_aim(full: str) -> None:
    ids = Counter(value for name, value in Page(full).attributes if name == "id")
    assert [one for one, count in ids.items() if count > 1] == []
    wanted = set(re.findall(r'(?:href="#|url\(#)([^")]+)', full))
    assert wanted
    assert wanted <= ids.keys()


def test_it_follows_the_setting_for_light_or_dark(full: str) -> None:
    assert "prefers-color-scheme: dark" in full
    assert "color-scheme: light dark" in full
    for name in PLACES.__slots__:
        assert getattr(PLACES, name) not in full
    for svg in re.findall(r"<svg.*?</svg>", full, flags=re.DOTALL):
        colours = {colour.lower() for colour in re.findall(r"#[0-9a-fA-F]{6}\b", svg)}
        assert colours <= {"#000000"}, "a colour that no theme can change"


def test_it_shows_each_plot_with_its_name_and_axes(full: str) -> None:
    page = Page(full)
    assert page.tags["svg"] == 4
    for words in (
        *("Throughput", "Latency over time", "Latency by percentile", "The cluster meanwhile"),
        *("latency (ms)", "answers per second", "seconds since the run began", "orders behind"),
        *("kill-leader (order-3)", "kill-catalog", "99 %"),
        *("that failed, in each second.", "the median (p50)", "the slowest of ten", "One look a"),
    ):
        assert words in page.text, words


def test_it_tells_what_was_measured(full: str) -> None:
    text = Page(full).text
    for words in ("1,234.50", "2 not found", "0.42 s", "12,345", "trade_p99<50ms nothing no"):
        assert words in text, words
    assert "3.0 s kill-leader order-3 order-2 in term 2 after 0.4 s 2.5 s" in text
    assert "7.0 s kill-catalog catalog not healed" in text


def test_no_word_of_a_run_becomes_markup() -> None:
    mark = Mark(at_s=2.0, what=EVIL, target=EVIL, term=1)
    evil = summary(
        options={EVIL: EVIL}, proof=(EVIL,), marks=(mark,), proof_counts={EVIL: 1}, started=EVIL
    )
    text = render(evil)
    assert "<script" not in text
    assert Page(text).text.count("alert('x')") >= 7


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "Passed."),
        ({"exit": exits.THRESHOLD}, "a threshold was missed"),
        ({"exit": exits.INTERRUPTED}, "Interrupted"),
        ({"exit": 7}, "status 7"),
        ({"notes": ("order-3 did not start.",)}, "order-3 did not start."),
        ({"proof_gaps": ("order-3 was down.",)}, "be looked at: Looked at: orders 12,345."),
        ({"proof_gaps": ("order-3 was down.",)}, "order-3 was down."),
        ({"unsent": 1234}, "not begun 1,234"),
        ({"proof": None}, "None was asked for"),
        ({}, "compared with every answer: nothing is wrong. Looked at: orders 12,345."),
        ({"proof": ("Order 7 is lost.",), "exit": exits.INCONSISTENT}, "1 finding: "),
        ({"proof": ("Lost.",) * (FINDINGS_MAX + 5)}, "and 5 more"),
    ],
)
def test_it_says_how_it_ended(facts: dict[str, object], words: str) -> None:
    assert words in Page(render(_without_plots(**facts))).text


def _without_plots(**facts: object) -> Summary:
    return summary(**{"series": (), "samples": (), "operations": {}, "marks": (), **facts})


def test_a_run_of_nothing_is_a_page_without_plots() -> None:
    page = Page(render(Summary(options={}, started="", duration_s=0.0)))
    assert page.tags["svg"] == 0
    assert "Passed." in page.text


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    write_report(str(tmp_path / "new" / "folder"), _without_plots())
    path = tmp_path / "new" / "folder" / "index.html"
    assert path.read_text().endswith("</html>\n")
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outputs = Outputs(report=str(tmp_path / "file" / "report"))
    words = r"^--report: .*report cannot be written \(.*\)\.$"
    with pytest.raises(CommandFailed, match=words):
        outputs.check()
    (failure,) = outputs.write(_without_plots())
    assert re.match(words, failure)


def test_a_folder_is_tried_before_anything_is_measured(tmp_path: Path) -> None:
    Outputs(report=str(tmp_path / "report")).check()
    assert list((tmp_path / "report").iterdir()) == []
