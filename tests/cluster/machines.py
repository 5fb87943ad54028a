"""
Machines in namespaces, with a cable each to one switch (Linux, root).

A machine has a network, processes, a host name and a file system of its own: an overlay over this
machine's, so it has the same programs, and keeps what it writes through a power cut. Nothing of
systemd runs; `systemctl` is the stand-in of tests/cluster/systemctl.py.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bazaar.clock import wait_until
from bazaar.settings.env import ROOT
from tests.cluster.netns import check_available

BOOT_TIMEOUT_S = 30.0
ENVIRON = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LOGNAME": "root",
    "USER": "root",
}
"""What a shell of root has after a login."""
_STAND_IN = f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m tests.cluster.systemctl "$@"\n'
_UNITS = "etc/systemd/system"
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""A machine is off when this process is gone, however it ended."""
_BOOTED = "/run/booted"
_BOOT = """
set -e
mount -t overlay overlay -o lowerdir=/,upperdir={folder}/upper,workdir={folder}/work {root}
cd {root}
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs tmpfs run
hostname {name}
ip link set lo up
systemd-tmpfiles --root={root} --create --prefix=/run 2>/dev/null || true
mkdir -p mnt/old
pivot_root . mnt/old
umount -l mnt/old
touch {booted}
exec bash -c 'trap : TERM INT; while :; do sleep 1000 & wait; done'
"""
"""What a machine does before its first process; this one waits for orphans, like any init."""


class Switch:
    """Machines in one network, for as long as a `with` block runs."""

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        """folder: for their file systems. addresses: by name; all in one /24."""
        self.name = f"bazaar-switch-{os.getpid()}"
        self.machines = {
            name: Machine(self.name, name, address, folder / name)
            for name, address in addresses.items()
        }

    def __enter__(self) -> "Switch":
        check_available()
        try:
            _run("ip", "netns", "add", self.name)
            _run("ip", "-n", self.name, "link", "add", "switch", "type", "bridge")
            _run("ip", "-n", self.name, "link", "set", "switch", "up")
            for machine in self.machines.values():
                machine.plug_in()
                machine.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        for machine in self.machines.values():
            machine.cut_power()
            machine.unplug()
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True, check=False)


class Machine:
    """One machine."""

    def __init__(self, switch: str, name: str, address: str, folder: Path) -> None:
        """Start nothing yet."""
        self.name, self.address, self.folder = name, address, folder
        self._switch, self._network = switch, f"bazaar-{name}-{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0

    def plug_in(self) -> None:
        """Make its network, with a cable to the switch."""
        cable = ("type", "veth", "peer", "eth0", "netns", self._network)
        _run("ip", "netns", "add", self._network)
        _run("ip", "-n", self._switch, "link", "add", self.name, *cable)
        _run("ip", "-n", self._switch, "link", "set", self.name, "master", "switch")
        _run("ip", "-n", self._network, "address", "add", f"{self.address}/24", "dev", "eth0")
        _run("ip", "-n", self._network, "link", "set", "eth0", "up")

    def unplug(self) -> None:
        """Take its network away."""
        subprocess.run(["ip", "netns", "delete", self._network], capture_output=True, check=False)

    def boot(self) -> None:
        """Switch it on; no service is started by this."""
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        _run("ip", "-n", self._switch, "link", "set", self.name, "up")
        script = _BOOT.format(
            folder=self.folder, root=self.folder / "root", name=self.name, booted=_BOOTED
        )
        words = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
        self._process = subprocess.Popen(
            [*_WITH_US, "ip", "netns", "exec", self._network, *words, "bash", "-c", script],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert wait_until(self._is_up, BOOT_TIMEOUT_S), f"{self.name} does not boot"
        shown = self.run(["stat", "--file-system", "--format=%T", "/"]).stdout.strip()
        assert shown == "overlayfs", f"{self.name} has the file system of this machine: {shown}"
        self.write("/usr/local/sbin/systemctl", _STAND_IN, 0o755)

    def _is_up(self) -> bool:
        """Tell whether its first process is there, in its own file system."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self._init = int(children[0]) if children else 0
        return Path(f"/proc/{self._init}/root{_BOOTED}").exists()

    def cut_power(self) -> None:
        """End everything at once; others get no packet of it any more."""
        if self._process is None:
            return
        command = ["ip", "-n", self._switch, "link", "set", self.name, "down"]
        subprocess.run(command, capture_output=True, check=False)
        self._process.kill()
        self._process.wait()
        self._process = None
        shutil.rmtree(self.folder / "work", ignore_errors=True)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of root."""
        self.run(["mkdir", "-p", str(Path(path).parent)])
        self.run(["tee", path], typed=text)
        self.run(["chmod", f"{mode:o}", path])

    def run(
        self, words: Sequence[str], *, typed: str = "", timeout_s: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as root, in its folder; errors are in what it prints."""
        return subprocess.run(
            ["nsenter", f"--target={self._init}", "--all", "--root", "--wdns=/root", "--", *words],
            env=ENVIRON,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=10.0, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
