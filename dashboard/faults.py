"""Faults on purpose: what `manage.py cluster` does by hand, by the same command."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 30.0
VERBS: dict[str, tuple[str, ...]] = {
    "kill": ("kill",),
    "pause": ("kill", "--signal=STOP"),
    "resume": ("kill", "--signal=CONT"),
    "restart": ("restart",),
}


class NotStruck(Exception):  # noqa: N818 - as all of ours are named
    """The command refused; the message says why."""


@dataclass(frozen=True, slots=True)
class Striker:
    """Runs the command for the cluster of one data folder."""

    root: Path
    """Where manage.py is."""
    data_dir: Path

    def strike(self, action: str, name: str) -> str:
        """Do it to one process and return what the command said. Raises NotStruck."""
        verb, *options = VERBS[action]
        line = [sys.executable, str(self.root / "manage.py"), "cluster"]
        line += ["--settings", "bazaar.settings.base"]  # before the verb, which takes none
        line += [verb, name, *options, "--data", str(self.data_dir)]
        try:
            done = subprocess.run(
                line,
                cwd=self.root,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            raise NotStruck(f"The command took longer than {TIMEOUT_S:g} s.") from error
        said = " ".join((done.stdout if done.returncode == 0 else done.stderr).split())
        if done.returncode != 0:
            raise NotStruck(said or f"The command ended with status {done.returncode}.")
        return said
