"""
A stand-in for `systemctl` where no systemd runs: `python -m tests.cluster.systemctl VERB NAME`.

It runs the services of a machine of tests/cluster/machines.py from their unit files: the same
`ExecStart` lines with their user, environment, folder and signals, `Type=notify`, `Restart=`, and
`After=` when the machine boots. It does not sandbox, limit or read conditions. What only writes
links (`enable`, `disable`) is done by the real one. A boot starts the enabled units that have been
named to it before, not all that Debian enables.
"""

import contextlib
import ctypes
import grp
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TypedDict

import psutil

from bazaar import clock
from bazaar.clock import wait_until
from tests.support.unit_files import (
    SUFFIX,
    Command,
    UnitFile,
    fill_in,
    parse_command,
    parse_environment,
    parse_environment_file,
    read_unit,
    sort_by_start,
)

REAL = "/usr/bin/systemctl"
STATES = Path("/run/units")
"""Of this boot: the state and the supervisor of each unit."""
KNOWN = Path("/var/lib/units")
LOGS = Path("/var/log/units")
START_S, STOP_S, RESTART_S = 90.0, 90.0, 0.1
"""What systemd waits for where the unit says nothing."""
_PR_SET_CHILD_SUBREAPER = 36
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
_ENDED_WELL = (0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, -signal.SIGPIPE)
"""What `Restart=on-failure` and `on-abnormal` leave alone."""


class Rights(TypedDict, total=False):
    """Whose rights a command has."""

    user: str
    group: int
    extra_groups: list[int]


class Service:
    """One unit of this machine, and its supervisor if it runs."""

    def __init__(self, unit: UnitFile) -> None:
        """Take a unit as it is now."""
        self.unit = unit
        self._state = STATES / unit.name
        self.log = LOGS / f"{unit.name}.log"

    @property
    def state(self) -> str:
        """`inactive`, `activating`, `active`, `deactivating` or `failed`."""
        words = self._read()
        if words[0] in ("active", "activating") and not _is_there(int(words[1])):
            return "failed"
        return words[0]

    def note(self, state: str) -> None:
        """Remember the state; called by the supervisor."""
        whole = self._state.with_suffix(".new")
        whole.write_text(f"{state} {os.getpid()}", encoding="utf-8")
        whole.replace(self._state)

    def start(self) -> bool:
        """Start it, and return whether it is ready."""
        if self.state == "active":
            return True
        for folder in (STATES, KNOWN, LOGS):
            folder.mkdir(parents=True, exist_ok=True)
        (KNOWN / self.unit.name).touch()
        self.note("activating")
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, "supervise", self.unit.name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        span_s = self.unit.span_s("Service.TimeoutStartSec", START_S) + 10.0
        wait_until(lambda: process.poll() is not None or self._read()[0] != "activating", span_s)
        return self.state == "active"

    def stop(self) -> None:
        """Stop it, and wait until it has ended."""
        words = self._read()
        if words[0] in ("inactive", "failed"):
            return
        supervisor = int(words[1])
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)
        assert wait_until(lambda: not _is_there(supervisor), 2 * STOP_S), self.unit.name

    def _read(self) -> list[str]:
        try:
            return self._state.read_text(encoding="utf-8").split()
        except FileNotFoundError:
            return ["inactive", "0"]


class Supervisor:
    """What runs one service, from its start to its stop."""

    def __init__(self, service: Service) -> None:
        """Start nothing yet."""
        self.service, self.unit = service, service.unit
        self._main: subprocess.Popen[bytes] | None = None
        self._is_stopping = False

    def run(self) -> None:
        """Run it until it is stopped or may not be restarted."""
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGTERM, self._stop)
        self.service.note("activating")
        while True:
            ended = self._run_once()
            self._end_others()
            if self._is_stopping or not self._may_restart(ended):
                break
            self.service.note("activating")
            clock.wait(self.unit.span_s("Service.RestartSec", RESTART_S))
        self.service.note("inactive" if self._is_stopping or ended == 0 else "failed")

    def _run_once(self) -> int:
        """Run it once; return its exit status, negative for a signal."""
        environ = self._environ()
        self._make_folders()
        with _listen() as notified:
            for line in self.unit.list("Service.ExecStartPre"):
                if ended := self._spawn(line, environ).wait():
                    return ended
            environ["NOTIFY_SOCKET"] = notified.getsockname()
            self._main = self._spawn(self.unit.read("Service.ExecStart"), environ)
            if self.unit.read("Service.Type") == "notify" and not self._await_ready(notified):
                self._main.kill()
                return self._main.wait() or 1
        for line in self.unit.list("Service.ExecStartPost"):
            self._spawn(line, environ).wait()
        if not self._is_stopping:
            self.service.note("active")
        return self._main.wait()

    def _await_ready(self, notified: socket.socket) -> bool:
        """Return whether the service has said that it is ready."""
        main = self._main
        assert main is not None

        def is_over() -> bool:
            with contextlib.suppress(TimeoutError):
                if b"READY=1" in notified.recv(4096):
                    return True
            return main.poll() is not None

        span_s = self.unit.span_s("Service.TimeoutStartSec", START_S)
        return wait_until(is_over, span_s, lambda _: None) and main.poll() is None

    def _spawn(self, line: str, environ: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start a command of the unit; what may fail counts as done well."""
        command = parse_command(fill_in(line, self.unit.name, socket.gethostname()), environ)
        words = ["sh", "-c", '"$@" || true', "sh", *command.words]
        return subprocess.Popen(
            words if command.may_fail else command.words,
            env=environ,
            cwd=self.unit.read("Service.WorkingDirectory", "/"),
            stdin=subprocess.DEVNULL,
            umask=int(self.unit.read("Service.UMask", "0022"), 8),
            **self._rights(command),
        )

    def _rights(self, command: Command) -> Rights:
        """Return the user and groups of a command: none are those of root."""
        user = self.unit.read("Service.User")
        if command.is_root or not user:
            return {}
        own = pwd.getpwnam(user).pw_gid
        group = self.unit.read("Service.Group")
        gid = grp.getgrnam(group).gr_gid if group else own
        return {"user": user, "group": gid, "extra_groups": os.getgrouplist(user, own)}

    def _environ(self) -> dict[str, str]:
        """Return the environment of a service: nothing of whoever has typed the command."""
        found = {"PATH": _PATH, "LANG": "C.UTF-8"}
        if user := self.unit.read("Service.User"):
            known = pwd.getpwnam(user)
            found |= {"USER": user, "LOGNAME": user, "HOME": known.pw_dir, "SHELL": known.pw_shell}
        host = socket.gethostname()
        lines = [
            fill_in(line, self.unit.name, host) for line in self.unit.list("Service.Environment")
        ]
        found |= parse_environment(lines)
        for line in self.unit.list("Service.EnvironmentFile"):
            path = Path(fill_in(line.removeprefix("-"), self.unit.name, host))
            if path.exists() or not line.startswith("-"):
                found |= parse_environment_file(path.read_text(encoding="utf-8"))
        return found

    def _make_folders(self) -> None:
        """Make the folders of `RuntimeDirectory=` and `StateDirectory=`."""
        for setting, parent in (("Runtime", "/run"), ("State", "/var/lib")):
            for name in self.unit.read(f"Service.{setting}Directory").split():
                folder = Path(parent, name)
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(int(self.unit.read(f"Service.{setting}DirectoryMode", "0755"), 8))
                if user := self.unit.read("Service.User"):
                    os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)

    def _may_restart(self, ended: int) -> bool:
        """Tell whether the unit wants to be restarted after this end."""
        wanted = self.unit.read("Service.Restart", "no")
        failed = ended not in _ENDED_WELL
        return {
            "always": True,
            "on-failure": failed,
            "on-abnormal": failed and ended < 0,
        }.get(wanted, False)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Ask the service to end; it is killed when it does not in time."""
        self._is_stopping = True
        self.service.note("deactivating")
        if self._main is None or self._main.poll() is not None:
            return
        number = signal.Signals[self.unit.read("Service.KillSignal", "SIGTERM")]
        wanted = [psutil.Process(self._main.pid)]
        if self.unit.read("Service.KillMode", "control-group") == "control-group":
            wanted = psutil.Process().children(recursive=True)
        for process in wanted:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if self.unit.read("Service.SendSIGKILL") != "no":
            signal.signal(signal.SIGALRM, self._kill)
            signal.alarm(int(self.unit.span_s("Service.TimeoutStopSec", STOP_S)))

    def _kill(self, _number: int, _frame: FrameType | None) -> None:
        """Kill a service that has not ended in time."""
        assert self._main is not None
        self._main.kill()

    def _end_others(self) -> None:
        """Kill what the main process has left behind."""
        if self.unit.read("Service.KillMode") == "process":
            return
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(STOP_S)


@contextlib.contextmanager
def _listen() -> Iterator[socket.socket]:
    """Open what a service tells that it is ready."""
    path = STATES / f"notify.{os.getpid()}"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.bind(str(path))
        path.chmod(0o777)
        opened.settimeout(0.2)
        try:
            yield opened
        finally:
            path.unlink()


def _is_there(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _find(name: str) -> Service:
    unit = read_unit(name)
    if unit is None:
        sys.exit(f"Unit {name.removesuffix(SUFFIX)}{SUFFIX} could not be found.")
    return Service(unit)


def _boot() -> int:
    """Start what is enabled, each after what it names."""
    names = sorted(path.name for path in KNOWN.glob("*")) if KNOWN.exists() else []
    known = [_find(name).unit for name in names]
    wants = Path("/etc/systemd/system/multi-user.target.wants")
    enabled = [unit for unit in known if (wants / unit.name).is_symlink()]
    return max((_start(Service(unit)) for unit in sort_by_start(enabled)), default=0)


def _start(service: Service) -> int:
    if service.start():
        return 0
    name = service.unit.name
    _say(f"Job for {name} failed because the control process exited with error code.")
    return 1


def _show(service: Service) -> int:
    _say(f"{service.unit.name} - {service.unit.read('Unit.Description')}")
    _say(f"     Active: {service.state}")
    return 0 if service.state == "active" else 3


def _is_active(service: Service) -> int:
    _say(service.state)
    return 0 if service.state == "active" else 3


def _stop(service: Service) -> int:
    service.stop()
    return 0


def _restart(service: Service) -> int:
    service.stop()
    return _start(service)


def _supervise(service: Service) -> int:
    Supervisor(service).run()
    return 0


_VERBS = {
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "status": _show,
    "is-active": _is_active,
    "supervise": _supervise,
}
_LINK_VERBS = ("enable", "disable")


def main(verb: str, *words: str) -> int:
    """Do what `systemctl` does, for each unit that is named."""
    if verb == "daemon-reload":
        return 0  # a unit is read again whenever it is named
    if verb == "boot":
        return _boot()
    names = [word for word in words if not word.startswith("-")]
    if verb in _LINK_VERBS:
        subprocess.run([REAL, verb, *names], check=True)
        verb = {"enable": "start", "disable": "stop"}[verb] if "--now" in words else ""
    if not verb:
        return 0
    if verb not in _VERBS:
        sys.exit(f"This stand-in for systemctl does not know {verb}.")
    if "--no-block" in words:
        command, quiet = [sys.executable, "-m", __spec__.name, verb, *names], subprocess.DEVNULL
        subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
        return 0
    return max(_VERBS[verb](_find(name)) for name in names)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
