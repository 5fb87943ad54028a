"""docs/THREE-HOSTS.md and unit files are read as written, to be followed by tests.cluster.walk."""

import re
import tomllib
from pathlib import Path

import pytest

from bazaar import topology
from tests.cluster.walk import HOSTS, PAGE, skip
from tests.cluster.walk_page import (
    EACH,
    ENGINES,
    Powered,
    Typed,
    Written,
    read_page,
    write_page,
)
from tests.support.unit_files import (
    fill_in,
    parse_command,
    parse_environment,
    parse_environment_file,
    parse_unit,
    read_unit,
    sort_by_start,
)

TEXT = """
one# no

```
one# first
a
each# second
```

Write `/etc/x` on each:

```
x = 1
two# no
```

<!-- patroni -->
```
two# third
```
<!-- power off: two -->
<!-- both -->
<!-- power on: two three -->
```
three# fourth
b
```
"""


def test_commands_files_and_power_are_read_in_the_order_of_the_page() -> None:
    assert read_page(TEXT, "galera") == [
        Typed("one", "first", 5, ["a"]),
        Typed(EACH, "second", 7),
        Written(EACH, "/etc/x", "x = 1\ntwo# no\n"),
        Powered("two", is_on=True),
        Powered("three", is_on=True),
        Typed("three", "fourth", 25, ["b"]),
    ]
    patroni = [step for step in read_page(TEXT, "patroni") if step.host == "two"]
    third = Typed("two", "third", 19)
    assert patroni == [third, Powered("two", is_on=False), Powered("two", is_on=True)]


def test_what_was_printed_is_put_where_it_belongs() -> None:
    first, *_, fourth = [step for step in read_page(TEXT, "galera") if isinstance(step, Typed)]
    assert isinstance(first, Typed)
    done = [(first, ["c", "d"]), (first, ["e", "f", "g"]), (fourth, list[str]())]
    written = write_page(TEXT, done)
    assert written == TEXT.replace("first\na\n", "first\nc\nd\n").replace("fourth\nb\n", "fourth\n")


def test_another_output_is_seen_and_another_id_is_not() -> None:
    """A check that cannot fail is a defect."""
    step = Typed("one", "x", 0, ["order 1: buy 5 3M  [117.4 ms]"])
    assert step.find_difference("one", ["order 1: buy 5 3M  [2.0 ms]"]) == ""
    assert "but the page has" in step.find_difference("one", ["order 2: buy 5 3M  [2.0 ms]"])
    assert step.find_difference("one", [])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_page_has_everything_for_each_engine(engine: str) -> None:
    steps = read_page(PAGE.read_text(encoding="utf-8"), engine)
    assert {step.host for step in steps} == {EACH, *HOSTS}
    files = {step.path: step.text for step in steps if isinstance(step, Written)}
    described = topology.parse(files["/etc/bazaar/cluster.toml"])
    assert list(described.hosts()) == list(HOSTS.values())
    assert len(described.catalogs) == len(described.replicas) == len(HOSTS)
    unit = parse_unit("bazaar.service", files["/etc/systemd/system/bazaar.service"])
    assert "cluster up" in unit.read("Service.ExecStart")
    off = [step.host for step in steps if isinstance(step, Powered) and not step.is_on]
    on = [step.host for step in steps if isinstance(step, Powered) and step.is_on]
    assert sorted(on) == sorted(off) != []


def test_both_engines_have_the_same_description_but_for_the_database() -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = [
        re.sub(r"(mysql|postgresql)://", "", step.text)
        for engine in ENGINES
        for step in read_page(text, engine)
        if isinstance(step, Written) and step.path.endswith("cluster.toml")
    ]
    assert len(found) == 2
    assert tomllib.loads(found[0]) == tomllib.loads(found[1])


def test_who_leads_and_since_when_is_not_compared() -> None:
    page = " order-1 (leader)   10.0.0.1   running   688   2026-11-30 21:26:46   2      4    yes"
    step = Typed("one", "x", 0, [page, " ────"])
    run = " order-1   10.0.0.1   running   7018   2026-12-30 03:26:46   11     4    yes"
    assert step.find_difference("one", [run, " ──────"]) == ""
    assert step.find_difference("one", [run.replace("running", "exited "), " ──"])
    assert step.find_difference("one", [run.replace(" 4 ", " 5 "), " ──"])


def test_which_node_is_the_primary_is_not_compared() -> None:
    page = ["+----+--------+----+---+", "| a  | Leader | running |  1 |           |"]
    run = ["+----+---------+----+---+", "| a  | Replica | running |  2 |         0 |"]
    step = Typed("one", "x", 0, page)
    assert step.find_difference("one", run) == ""
    assert step.find_difference("one", [run[0], run[1].replace("running", "stopped")])


def test_what_installs_is_not_run_and_everything_else_is() -> None:
    assert skip("apt-get install --yes git rsync") == (
        "the packages are there",
        "dpkg-query --show git rsync >/dev/null",
    )
    assert skip("git -C /srv/bazaar pull") == (
        "the checkout is there",
        "test -f /srv/bazaar/manage.py",
    )
    assert skip("systemctl restart bazaar") is None


def test_a_unit_is_its_file_and_its_drop_ins(tmp_path: Path) -> None:
    folder = tmp_path / "lib/systemd/system"
    (folder / "a.service.d").mkdir(parents=True)
    (folder / "a.service").write_text(
        "# x\n[Unit]\nAfter=b.service\n[Service]\nExecStart=/bin/a \\\n  b\n"
        "Environment=A=1\nTimeoutStopSec=1min 30s\n"
    )
    dropped = "[Service]\nEnvironment=B=2\nExecStart=\nExecStart=/bin/c\n"
    (folder / "a.service.d/more.conf").write_text(dropped)
    unit = read_unit("a", tmp_path)
    assert unit is not None
    assert unit.list("Service.ExecStart") == ["/bin/c"]
    assert parse_environment(unit.list("Service.Environment")) == {"A": "1", "B": "2"}
    assert unit.span_s("Service.TimeoutStopSec", 7.0) == 90.0
    assert unit.span_s("Service.TimeoutStartSec", 7.0) == 7.0
    assert read_unit("b", tmp_path) is None


def test_a_line_that_goes_on_is_one_line() -> None:
    unit = parse_unit("a.service", "[Service]\nExecStart=/bin/a \\\n  b\nUser=x\n")
    assert parse_command(unit.read("Service.ExecStart"), {}).words == ["/bin/a", "b"]
    assert unit.read("Service.User") == "x"


def test_a_command_has_its_variables_and_rights() -> None:
    environ = {"MANY": "-a -b", "PART": "p"}
    command = parse_command('-/bin/x $MANY $NONE ${PART}/q "c d" $$', environ)
    assert command.words == ["/bin/x", "-a", "-b", "p/q", "c d", "$"]
    assert (command.may_fail, command.is_root) == (True, False)
    assert parse_command("!/bin/x", {}).is_root
    shell = parse_command('/bin/sh -c "exec x $MANY"', environ).words
    assert shell == ["/bin/sh", "-c", "exec x $MANY"], "the shell's own"


def test_environments_and_specifiers_are_read() -> None:
    assert parse_environment(['A=1 "B=2 3"', "C=%H"]) == {"A": "1", "B": "2 3", "C": "%H"}
    assert parse_environment_file("# x\nA='1 2'\n\nB=3\n") == {"A": "1 2", "B": "3"}
    assert fill_in("/etc/%p %n %H %%", "a.service", "one") == "/etc/a a.service one %"


def test_a_unit_starts_after_those_that_it_names() -> None:
    first = parse_unit("a.service", "[Unit]\nAfter=network.target b.service\nAfter=c.service\n")
    others = [parse_unit("b.service", "[Unit]\nAfter=c.service\n"), parse_unit("c.service", "")]
    sorted_names = [unit.name for unit in sort_by_start([first, *others])]
    assert sorted_names == ["c.service", "b.service", "a.service"]
