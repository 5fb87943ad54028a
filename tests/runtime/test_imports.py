"""Imports that a start leaves out."""

import subprocess
import sys
from pathlib import Path

import pytest

from bazaar.runtime.imports import absent

LATE = """
import sys
from bazaar.runtime.imports import put_off
put_off("package.late", "alone", "json")
import alone, package.late
from package import late
early = sys.modules["json"].loads("1")
print("before", early, late.VALUE)
from package.late import VALUE
from package.late.part import PART
print("after", alone.VALUE, VALUE, PART, sys.modules["package.late"].VALUE)
put_off("alone")
print("again", sys.modules["alone"].VALUE)
"""


def test_a_module_that_is_put_off_loads_once_and_when_it_is_used(tmp_path: Path) -> None:
    part = tmp_path / "package" / "late"
    part.mkdir(parents=True)
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "alone.py").write_text("print('alone loads')\nVALUE = 1")
    (part / "__init__.py").write_text("print('late loads')\nVALUE = 2")
    (part / "part.py").write_text("PART = 3")
    done = subprocess.run(
        [sys.executable, "-c", LATE],
        env={"PYTHONPATH": f"{tmp_path}:{Path.cwd()}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        *("late loads", "before 1 2", "alone loads", "after 1 2 3 2"),
        "again 1",
    ]


def test_an_absent_module_is_missed_only_meanwhile_and_a_loaded_one_stays() -> None:
    assert "this" not in sys.modules
    with absent("this", "json"):
        import json  # noqa: F401, PLC0415 - it is loaded already

        with pytest.raises(ImportError):
            import this  # noqa: F401, PLC0415
    assert "this" not in sys.modules
