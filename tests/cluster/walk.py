"""
Follow docs/THREE-HOSTS.md: `python -m tests.cluster.walk --engine galera|patroni` (Linux, root).

Three machines in namespaces (tests/cluster/machines.py) do what the page says, in its order: its
files are written, its commands typed as root, its services run from their unit files. What a
command prints other than the page is shown, but for times, ids and the like; `--write` puts it into
the page instead. A line `...` on the page stands for any lines. Exit status 1: something differs.

What is not as on the page: packages, checkout and `.venv` are there before, so `apt-get`, `git` and
`make` only look whether they are (`skip`); the folders above the interpreter are opened to the user
of the service; root logs in by ssh from the beginning; services are run by
tests/cluster/systemctl.py. A command that shows what others bring about (`SETTLING`) is typed again
until it prints what the page has.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.settings.env import ROOT
from tests.cluster.machines import Machine, Switch
from tests.cluster.netns import NetworkUnavailable
from tests.cluster.operating import COPIED, shorten
from tests.cluster.walk_page import (
    EACH,
    ENGINES,
    Powered,
    Step,
    Typed,
    Written,
    read_page,
    write_page,
)

PAGE = ROOT / "docs" / "THREE-HOSTS.md"
CHECKOUT = "/srv/bazaar"
SSH_FOLDER = Path.home() / ".ssh"
"""Of root, who follows the page."""
HOSTS = {"one": "10.0.0.1", "two": "10.0.0.2", "three": "10.0.0.3"}
SETTLING = ("cluster status", "SHOW STATUS", "patronictl", "etcdctl", "is-active", "curl")
SETTLE_TIMEOUT_S, SETTLE_PAUSE_S = 90.0, 1.0
NEW_TIMEOUT_S = 20.0
"""Where the page has nothing yet."""
COMMAND_TIMEOUT_S = 600.0
"""The longest is a database's first start beside others."""
BOOT = "systemctl boot </dev/null >/var/log/units/boot.log 2>&1 &"
"""The services are started side by side with what is typed, as after a real boot."""
LOGGED_LINES = 15
NEEDED = {"sshd": "openssh-server", "rsync": "rsync"}
_SSH = """
Host *
  StrictHostKeyChecking accept-new
  LogLevel ERROR
"""


def skip(command: str) -> tuple[str, str] | None:
    """Return why a command is not run, and the one that looks whether its work is done."""
    words = command.split()
    if words[0] == "apt-get":
        names = " ".join(word for word in words[2:] if not word.startswith("-"))
        return "the packages are there", f"dpkg-query --show {names} >/dev/null"
    if words[0] == "git":
        folder = words[2] if words[1] == "-C" else words[-1]
        return "the checkout is there", f"test -f {folder}/manage.py"
    if words[0] == "make":
        return "its .venv is there", f"test -x {words[2]}/.venv/bin/python"
    return None


class Walk:
    """The machines, and what was done on them."""

    def __init__(self, switch: Switch) -> None:
        """switch: with the machines, switched on."""
        self.machines = switch.machines
        self.failures: list[str] = []
        self.done: list[tuple[Typed, list[str]]] = []

    def prepare(self) -> None:
        """Have on each machine what the page takes for granted, and the checkout."""
        first, key_path = self.machines["one"], str(SSH_FOLDER / "id_ed25519")
        first.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key_path])
        key = first.run(["cat", key_path]).stdout
        public = first.run(["cat", f"{key_path}.pub"]).stdout
        for machine in self.machines.values():
            machine.write(key_path, key, 0o600)
            machine.write(str(SSH_FOLDER / "authorized_keys"), public, 0o600)
            machine.write(str(SSH_FOLDER / "config"), _SSH, 0o600)
            self._open_interpreter(machine)
            self._copy_checkout(machine)
            _serve_ssh(machine)

    def follow(self, steps: list[Step]) -> None:
        """Do what the page says."""
        for step in steps:
            hosts = list(self.machines) if step.host == EACH else [step.host]
            for host in hosts:
                self._do(step, host)

    def _do(self, step: Step, host: str) -> None:
        machine = self.machines[host]
        match step:
            case Written():
                _say(f"{host}: {step.path}")
                machine.write(step.path, step.text)
            case Powered(is_on=True):
                _say(f"{host}: power on")
                machine.boot()
                _serve_ssh(machine)
                machine.run(["bash", "-c", BOOT])
            case Powered():
                _say(f"{host}: power off")
                machine.cut_power()
            case Typed():
                self._type(step, host)

    def _type(self, step: Typed, host: str) -> None:
        """Type a command, and compare what it prints."""
        begun_s = clock.monotonic_s()
        if skipped := skip(step.command):
            reason, check = skipped
            _say(f"{host}# {step.command}\n    not run: {reason}")
            if self._run(host, f"{check} || echo no"):
                self.failures.append(f"{host}# {step.command}\nis not done: {check}")
            return
        lines = self._run(host, step.command)
        if any(word in step.command for word in SETTLING):

            def is_as_printed() -> bool:
                nonlocal lines
                if not step.find_difference(host, lines):
                    return True
                lines = self._run(host, step.command)
                return False

            span_s = SETTLE_TIMEOUT_S if step.printed else NEW_TIMEOUT_S
            wait_until(is_as_printed, span_s, lambda _: clock.wait(SETTLE_PAUSE_S))
        self.done.append((step, shorten(step.printed, lines)))
        _say(f"{host}# {step.command}  [{clock.monotonic_s() - begun_s:.1f} s]")
        if difference := step.find_difference(host, lines):
            self.failures.append(difference)
            _say("  " + "\n  ".join(lines))

    def _run(self, host: str, command: str) -> list[str]:
        words = ["bash", "-c", command]
        done = self.machines[host].run(words, timeout_s=COMMAND_TIMEOUT_S)
        return done.stdout.splitlines() or (
            [f"exit status {done.returncode}"] if done.returncode else []
        )

    def _open_interpreter(self, machine: Machine) -> None:
        """Let other users than root reach the interpreter of `.venv`."""
        for path in (Path(sys.executable), Path(sys.executable).resolve()):
            machine.run(["chmod", "o+x", *map(str, path.parents)])

    def _copy_checkout(self, machine: Machine) -> None:
        machine.run(["mkdir", "-p", CHECKOUT])
        for name in (*COPIED, "manage.py"):
            machine.run(["cp", "-r", str(ROOT / name), CHECKOUT])
        machine.run(["ln", "-s", str(Path(sys.executable).parents[1]), f"{CHECKOUT}/.venv"])


def _serve_ssh(machine: Machine) -> None:
    machine.run(["mkdir", "-p", "/run/sshd"])
    machine.run(["ssh-keygen", "-A"])
    machine.run(["/usr/sbin/sshd"])


def show_logs(machine: Machine) -> Iterator[str]:
    """Yield the end of each service's log."""
    command = f"tail -n {LOGGED_LINES} /var/log/units/*.log /var/lib/bazaar/logs/*.log"
    yield f"-- logs of {machine.name}"
    yield from machine.run(["bash", "-c", command]).stdout.splitlines()


def walk(engine: str, folder: Path, *, is_writing: bool) -> int:
    """Follow the page for one engine; return how many commands printed something else."""
    text = PAGE.read_text(encoding="utf-8")
    with Switch(folder, HOSTS) as switch:
        walked = Walk(switch)
        walked.prepare()
        walked.follow(read_page(text, engine))
        if walked.failures and not is_writing:
            for machine in walked.machines.values():
                _say("\n".join(show_logs(machine)))
    for failure in walked.failures:
        _say(failure + "\n")
    if is_writing:
        PAGE.write_text(write_page(text, walked.done), encoding="utf-8")
    _say(f"{len(walked.done)} commands, {len(walked.failures)} printed something else")
    return len(walked.failures)


def main() -> int:
    """Follow the page; say what differs, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    parser.add_argument("--write", action="store_true", help="write what was printed to the page")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the machines go, too
    lacking = [name for name, program in NEEDED.items() if shutil.which(name) is None]
    if lacking:
        _say(f"Needs {', '.join(NEEDED[name] for name in lacking)} (Debian packages).")
        return 2
    with tempfile.TemporaryDirectory(prefix="walk-", ignore_cleanup_errors=True) as folder:
        try:
            return min(1, walk(options.engine, Path(folder), is_writing=options.write))
        except NetworkUnavailable as error:
            _say(str(error))
            return 2


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
