"""
A network of its own for one process, with one link to this machine that can be cut (Linux, root).

Needs `ip` (iproute2), and `nft` (nftables) to cut it. Everything is named after this process's pid,
so that whatever is left behind by a killed run can be told from a run that is under way.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field

_TABLE = "inet bazaar"


class NetworkUnavailable(RuntimeError):  # noqa: N818 - it is a fact about the world
    """This machine or this user can make no network namespaces; the message says why."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace for as long as a `with` block runs; two addresses, one on each side."""

    number: int = field(default_factory=os.getpid)

    @property
    def name(self) -> str:
        """Its name."""
        return f"bazaar-{self.number}"

    @property
    def outer(self) -> str:
        """The address of this machine, on the link."""
        return f"10.77.{self.number % 250}.1"

    @property
    def inner(self) -> str:
        """The address inside."""
        return f"10.77.{self.number % 250}.2"

    def __enter__(self) -> "Namespace":
        check_available()
        here, there = f"bz{self.number}a", f"bz{self.number}b"
        try:
            run_program("ip", "netns", "add", self.name)
            run_program(
                "ip", "link", "add", here, "type", "veth", "peer", there, "netns", self.name
            )
            run_program("ip", "address", "add", f"{self.outer}/30", "dev", here)
            run_program("ip", "link", "set", here, "up")
            self.run("ip", "address", "add", f"{self.inner}/30", "dev", there)
            self.run("ip", "link", "set", there, "up")
            self.run("ip", "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        # The link first: the namespace lives on while a process is in it, and keeps its end.
        for command in (
            ("ip", "link", "delete", f"bz{self.number}a"),
            ("ip", "netns", "delete", self.name),
        ):
            subprocess.run(command, capture_output=True, check=False)

    def command(self, *words: str) -> list[str]:
        """Return the command line that runs a program inside; it becomes the program, same pid."""
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str) -> None:
        """Run a program inside to its end. Raises RuntimeError with what it said."""
        run_program(*self.command(*words))

    def cut(self, spared_ports: Iterable[int]) -> None:
        """Drop what comes in and goes out, in open connections too, but from and to some ports."""
        check_program("nft", "nftables")
        ports = ", ".join(map(str, spared_ports))
        chains = "".join(
            f"chain {name} {{ type filter hook {name} priority 0; {interface} lo accept; "
            f"tcp sport {{ {ports} }} accept; tcp dport {{ {ports} }} accept; "
            "meta l4proto tcp drop; }\n"
            for name, interface in (("input", "iif"), ("output", "oif"))
        )
        self.run("nft", f"table {_TABLE} {{\n{chains}}}")

    def heal(self) -> None:
        """Let everything through again."""
        self.run("nft", f"delete table {_TABLE}")


def check_available() -> None:
    """Raise NetworkUnavailable when no namespace can be made here."""
    if os.geteuid() != 0:
        raise NetworkUnavailable("network namespaces need root")
    check_program("ip", "iproute2")


def check_program(name: str, package: str) -> None:
    """Raise NetworkUnavailable when a program is missing."""
    if shutil.which(name) is None:
        raise NetworkUnavailable(f"{name} is not installed ({package})")


def run_program(*words: str) -> None:
    """Run a program to its end. Raises RuntimeError with what it said."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=10.0, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
