"""Imports point down (CONTRIBUTING.md): the contracts of pyproject.toml hold."""

import subprocess
import sys
import tomllib

from tests.architecture.sources import ROOMS, ROOT


def test_the_import_contracts_hold() -> None:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_every_room_is_under_the_contracts_and_checked_for_types() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contracts = {one["type"]: one for one in tools["importlinter"]["contracts"]}
    rooms = set(ROOMS)
    assert rooms == set(contracts["independence"]["modules"])
    assert rooms in [set(layer.split(" | ")) for layer in contracts["layers"]["layers"]]
    assert rooms | {"bazaar"} == set(tools["importlinter"]["root_packages"])
    assert rooms <= set(tools["mypy"]["files"])
