"""CONTRIBUTING.md as tests: plain words, one name a thing, documents that are named and exist."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.architecture.sources import ROOT, Source, list_product, list_sources, split_words

SENTENCE_CHARS_MAX = 79
BANNED = frozenset(
    {
        *("courier", "couriers", "deed", "deeds", "desk", "desks", "heir", "heirs", "hop", "hops"),
        *("keeper", "keepers", "reign", "reigns", "sight", "sights", "standing", "standings"),
        *("stranger", "strangers", "strike", "strikes", "striker", "strikers", "teller", "tellers"),
        *("telling", "tellings", "visit", "visits", "visitor", "visitors", "wish", "wishes"),
    }
)
"""Words of our own for what the field has a word for; docs/GLOSSARY.md has that word."""
SAME_CLASSES = frozenset(
    {"Command", "DirectTrade", "Leadership", "Order", "Stock", "StockChange"}
    | {"Identity", "VerifiedPoint"}
    | {"DatabaseWrapper"}  # the name that Django looks for
)
"""One idea in several rooms: a value of the core, its table, what a client sees of it."""
SAME_MODULES = frozenset(
    {
        *(
            "apps",
            "models",
            "repair",
            "replica",
            "rows",
            "selectors",
            "serializers",
            "services",
            "store",
        ),
        *("views", "wiring", "errors"),
    }
)
"""What each room has of its own."""
FOLDERS_BY_NAME = (
    "bazaar/management/commands/",
    "bazaar/ops/",
    "bazaar/runtime/backends/",
    "bazaar/settings/",
    "bazaar/templatetags/",
    "bazaar/urls/",
)
"""Their modules must be called what they are for: a role, a command, an older name."""
_SENTENCE_END = re.compile(r"(?<=[.?!]) (?=[A-Z`'\"])")
_SECTION = re.compile(r"(?<!docs/)\b(?:DESIGN|STYLE|ADRs?)(?:\.md)?,? ?\d")
_DOCUMENT = re.compile(r"(?<!\bapi/)\bdocs/[\w./-]*\w")


def test_docstrings_begin_with_one_short_sentence() -> None:
    found = [
        f"{source.path}:{line} ({len(sentence)} characters) {sentence}"
        for source in list_product()
        for line, docstring in _public_docstrings(source)
        if not _is_short_sentence(sentence := _first_sentence(docstring))
    ]
    assert found == [], _list(found)


def _public_docstrings(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and docstring of a module, its classes and its public functions."""
    for node in source.nodes:
        match node:
            case ast.Module() | ast.ClassDef():
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name.startswith("_"):
                    continue
            case _:
                continue
        if docstring := ast.get_docstring(node):
            yield getattr(node, "lineno", 1), docstring


def _first_sentence(docstring: str) -> str:
    """Return what the first line begins with, up to the end of the sentence."""
    return _SENTENCE_END.split(docstring.splitlines()[0])[0]


def _is_short_sentence(text: str) -> bool:
    return len(text) <= SENTENCE_CHARS_MAX and text.endswith((".", "?", "!", "`"))


def test_a_section_or_decision_is_cited_with_its_file() -> None:
    """`docs/DESIGN.md 4.2` and `docs/adr/0014`: a reader must find what is meant."""
    found = [
        f"{source.path}:{number} {line.strip()}"
        for source in list_sources()
        for number, line in enumerate(source.text.splitlines(), start=1)
        if _SECTION.search(line) and not source.path.endswith("/test_words.py")
    ]
    assert found == [], _list(found)


def test_every_cited_document_exists() -> None:
    found = [
        f"{source.path}: {cited}"
        for source in list_sources()
        for cited in sorted(set(_DOCUMENT.findall(source.text)))
        if not _is_document(cited)
    ]
    assert found == [], _list(found)


def _is_document(cited: str) -> bool:
    """Return whether there is such a file; `docs/adr/0014` is short for what begins so."""
    folder, _, name = cited.rpartition("/")
    return (ROOT / cited).exists() or any((ROOT / folder).glob(f"{name}-*.md"))


def test_no_two_public_classes_share_a_name() -> None:
    places = defaultdict(list)
    for source in _list_named():
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(source.path)
    _assert_single(places, SAME_CLASSES)


def test_no_two_modules_share_a_name() -> None:
    places = defaultdict(list)
    for source in _list_named():
        name = PurePosixPath(source.path).stem
        if not name.startswith("__") and not source.path.startswith(FOLDERS_BY_NAME):
            places[name].append(source.path)
    _assert_single(places, SAME_MODULES)


def _list_named() -> list[Source]:
    """Return the product's files, but for what Django names itself."""
    return [source for source in list_product() if "/migrations/" not in source.path]


def _assert_single(places: dict[str, list[str]], allowed: frozenset[str]) -> None:
    found = [
        f"{name}: {', '.join(paths)}"
        for name, paths in sorted(places.items())
        if len(paths) > 1 and name not in allowed
    ]
    assert found == [], _list(found)


def test_no_name_is_a_word_of_our_own_making() -> None:
    found = [
        f"{source.path}: {name}"
        for source in list_sources()
        for name in sorted(set(source.names()))
        if BANNED & split_words(name)
    ]
    assert found == [], _list(found)


def test_every_package_says_what_it_is() -> None:
    found = [
        source.path
        for source in list_product()
        if source.path.endswith("/__init__.py")
        and "/migrations/" not in source.path
        and not ast.get_docstring(source.tree)
    ]
    assert found == [], _list(found)


def test_the_tree_in_the_architecture_is_the_one_on_disk() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    found = [path for path in _drawn_paths(text) if not (ROOT / path).exists()]
    assert found == [], _list(found)


def _drawn_paths(text: str) -> Iterator[str]:
    """Yield every path of the first block that has manage.py in it; two spaces a level."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    tree = next(block for block in blocks if "manage.py" in block)
    folders: dict[int, str] = {}
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        if depth and depth - 1 not in folders:
            continue  # a description goes on
        folders = {at: name for at, name in folders.items() if at < depth}
        first, *_ = re.split(r" {2,}", line.strip())
        for name in first.split():
            if not re.fullmatch(r"[\w.-]+(\.\w+|/)", name):
                break
            path = folders.get(depth - 1, "") + name
            folders[depth] = path
            yield path


def _list(found: list[str]) -> str:
    return "\n".join([f"{len(found)}:", *found])


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("Return the order.", True),
        ("Return the order. Raises UnknownOrder (definite).", True),
        ("x" * 80 + ".", False),
        ("Return the order, which", False),
    ],
)
def test_a_first_sentence_is_told_from_a_riddle(text: str, is_right: bool) -> None:  # noqa: FBT001
    assert _is_short_sentence(_first_sentence(text)) is is_right


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("(DESIGN 4.2)", True),
        ("ADR 0014", True),
        ("ADRs 4, 14", True),
        ("(docs/DESIGN.md 4.2)", False),
        ("docs/adr/0014", False),
        ("DESIGN.md 6", True),
    ],
)
def test_a_citation_without_its_file_is_seen(text: str, is_found: bool) -> None:  # noqa: FBT001
    assert bool(_SECTION.search(text)) is is_found


def test_the_drawn_tree_is_read() -> None:
    text = "```\nmanage.py  all\nbazaar/    shared\n  core/ web/   pure\n    a.py  b\n```\n"
    assert list(_drawn_paths(text)) == [
        *("manage.py", "bazaar/", "bazaar/core/", "bazaar/web/", "bazaar/web/a.py")
    ]
