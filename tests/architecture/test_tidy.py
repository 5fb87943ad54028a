"""CONTRIBUTING.md as tests: sizes, one clock, one reader of the environment, our words."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.sources import (
    ROOMS,
    FunctionNode,
    Source,
    list_product,
    list_sources,
    split_words,
)

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 40
ARGUMENTS_MAX = 6
FORBIDDEN = frozenset(
    {"util", "utils", "helper", "helpers", "manager", "common", "master", "slave"}
)
TIME = frozenset(
    {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"}
)
CLOCK = "bazaar/clock.py"
ENVIRONMENT = (
    "bazaar/settings/",
    "bazaar/cluster/",
    "bazaar/proof/",
    "bazaar/loadtest/",
    "bazaar/management/",
    "bazaar/wsgi.py",
    "manage.py",
)
"""Who may look at the environment: settings, entries, and what starts processes."""


def test_files_are_short() -> None:
    found = {source.path: source.lines for source in list_sources()}
    assert {path: lines for path, lines in found.items() if lines > FILE_LINES_MAX} == {}


def test_functions_are_short() -> None:
    found = {
        f"{source.path}:{node.lineno} {node.name}": lines
        for source in list_sources()
        for node in source.functions()
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert found == {}


def test_functions_take_few_arguments() -> None:
    found = {
        f"{source.path}:{node.lineno} {node.name}": count
        for source in list_sources()
        for node in source.functions()
        if (count := _count_arguments(node)) > ARGUMENTS_MAX
    }
    assert found == {}


def _count_arguments(node: FunctionNode) -> int:
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return sum(one.arg not in ("self", "cls") for one in named)


def test_only_the_clock_reads_real_time() -> None:
    found = [use for source in list_product() if source.path != CLOCK for use in _times(source)]
    assert found == []


def _times(source: Source) -> Iterator[str]:
    for node in source.nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr=name) if name in TIME:
                yield f"{source.path}:{node.lineno} time.{name}"
            case ast.ImportFrom(module="time"):
                yield f"{source.path}:{node.lineno} from time import"
            case ast.Attribute(attr="now" | "today" | "utcnow", value=ast.Name(id="datetime")):
                yield f"{source.path}:{node.lineno} datetime.{node.attr}"


def test_only_settings_and_entries_read_the_environment() -> None:
    found = [
        f"{source.path}:{getattr(node, 'lineno', 0)}"
        for source in list_product()
        if not source.path.startswith(ENVIRONMENT)
        for node in source.nodes
        if _reads_environment(node)
    ]
    assert found == []


def _reads_environment(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "getenv" | "putenv"):
            return True
        case ast.ImportFrom(module="os", names=names):
            return any(name.name in ("environ", "getenv") for name in names)
    return False


def test_only_wiring_reads_settings_in_a_room() -> None:
    """Whatever a room needs is handed in by its wiring."""
    rooms = tuple(f"{room}/" for room in ROOMS)
    found = [
        source.path
        for source in list_product()
        if source.path.startswith(rooms) and not source.path.endswith("/wiring.py")
        for node in source.nodes
        if isinstance(node, ast.ImportFrom) and node.module == "django.conf"
    ]
    assert found == []


def test_loops_start_at_the_entries_only() -> None:
    """Commands, checks and tests must not start them."""
    found = [
        source.path
        for source in list_product()
        for node in source.nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bazaar.wsgi")
    ]
    assert found == []


def test_every_name_is_one_of_our_words() -> None:
    found = [
        f"{source.path}: {name}"
        for source in list_sources()
        for name in source.names()
        if FORBIDDEN & split_words(name)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("order_manager", "manager"), ("HelperView", "helper"), ("a/utils.py", "utils")],
)
def test_a_forbidden_word_is_seen_wherever_it_hides(name: str, words: str) -> None:
    assert FORBIDDEN & split_words(name) == {words}


def test_the_tidy_tests_see_what_they_look_for() -> None:
    """A check that cannot fail is a defect."""
    text = "import os, time\nfrom time import sleep\na = os.environ['x']\nb = time.monotonic()\n"
    source = Source.of("bad.py", text)
    assert len(list(_times(source))) == 2
    assert sum(map(_reads_environment, source.nodes)) == 1
    assert len(list_product()) > 60
