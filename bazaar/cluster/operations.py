"""Operations on single processes of a running cluster."""

import contextlib
import signal
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from importlib import import_module

from bazaar.clock import wait_until
from bazaar.cluster import databases, ports
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.locks import STOP_TIMEOUT_S, hold
from bazaar.cluster.snapshot import Observer, ProcessState, ProcessView
from bazaar.cluster.starting import StartFailed, stages, start
from bazaar.cluster.stopping import resume, send
from bazaar.core.failures import Failure
from bazaar.protocol.clients import CLIENTS
from bazaar.protocol.process_end import EndSignal
from bazaar.protocol.statuses import Status
from bazaar.settings import env
from bazaar.topology import Role, process_name, role_of

SIGNALS = {
    "KILL": signal.SIGKILL,
    "STOP": signal.SIGSTOP,
    "CONT": signal.SIGCONT,
    "TERM": signal.SIGTERM,
}
ENDING: Mapping[signal.Signals, EndSignal] = {signal.SIGKILL: "KILL", signal.SIGTERM: "TERM"}
"""What a process can do to itself when it is asked."""
EFFECT_TIMEOUT_S = 2.0
"""For a signal to show its effect."""


class Cluster(Observer):
    """The cluster of one data folder, and what an operator does to it."""

    def resolve(self, wanted: str) -> str:
        """
        Return the name of a process; a replica's number and `leader` name one, too.

        Raises ClusterError: there is no such process, or no leader.
        """
        if wanted == "leader":
            leader = self.take_snapshot().leader
            if leader is None:
                self.supervisor.pid()  # raises ClusterDown
                raise ClusterError("There is no leader at the moment.")
            return leader.name
        is_number = wanted.isascii() and wanted.isdigit()
        name = process_name(Role.ORDER, int(wanted)) if is_number else wanted
        if name not in self.nodes:
            raise ClusterError(
                f"{wanted!r} is no process of this cluster; it has {', '.join(self.nodes)}."
            )
        return name

    def kill(self, wanted: str, signal_name: str) -> str:
        """
        Send a signal to a process and all it started; wait until it takes effect.

        One that our supervisor has not started is asked to end itself (docs/adr/0049).
        """
        number = SIGNALS.get(signal_name.upper().removeprefix("SIG"))
        if number is None:
            raise ClusterError(f"{signal_name!r} is no signal; there are {', '.join(SIGNALS)}.")
        name = self.resolve(wanted)
        before = self.find(name)
        if before.status and not before.is_ours:
            return self._end_elsewhere(name, before.status, number)
        self.check_ours(name, "kill", silence=before.silence)
        self.supervisor.pid()  # raises ClusterDown
        if not before.is_up or not send(before.pid, number):
            raise ClusterError(f"{name} is not running.")
        wait_until(lambda: _has_effect(number, before, self.view(name)), EFFECT_TIMEOUT_S)
        return f"{name}: {number.name} sent to process group {before.pid}"

    def check_ours(self, name: str, verb: str, silence: str = "") -> None:
        """
        Raise ClusterError when another host runs a process.

        verb: what to type there. silence: why it does not answer, if it was asked.
        """
        if name not in self.part:
            does = f", and does not answer ({silence.rstrip('.')})" if silence else ""
            raise ClusterError(
                f"{name} is on the host {self.nodes[name].host}{does}: type `manage.py cluster "
                f"{verb} {name}` there."
            )

    def _end_elsewhere(self, name: str, status: Status, number: signal.Signals) -> str:
        """Have a process end itself. Raises ClusterError: it refuses, or that is not possible."""
        host = self.nodes[name].host
        if number not in ENDING:
            raise ClusterError(
                f"{name} on {host} was not started by this supervisor, and a paused process could "
                f"not be asked to go on: type `kill -{number.name[3:]} {status.pid}` there."
            )
        client = CLIENTS[role_of(name)].at(
            self.nodes[name], env.read_secret(self.environ), EFFECT_TIMEOUT_S
        )
        with contextlib.closing(client):
            try:
                client.end(status, ENDING[number])
            except Failure as failure:
                raise ClusterError(f"{name} on {host}: {failure.message}") from failure

        def has_ended() -> bool:
            now = self.find(name).status
            return now is None or (now.pid, now.up_since_s) != (status.pid, status.up_since_s)

        wait_until(has_ended, EFFECT_TIMEOUT_S)
        return f"{name} on {host} ends itself by {number.name} (pid {status.pid})"

    def start(self, wanted: str) -> str:
        """Start a process and wait until it serves. Raises StartFailed."""
        name = self.resolve(wanted)
        self.check_ours(name, "start")
        # The supervisor may not have noticed yet that it ended.
        wait_until(lambda: self._is_settled(name), EFFECT_TIMEOUT_S)
        view = self.view(name)
        if view.state is ProcessState.PAUSED:
            return f"{name} is paused (pid {view.pid}); `kill {name} --signal CONT` resumes it"
        if view.is_up or view.status:
            pid = view.pid or (view.status.pid if view.status else 0)
            return f"{name} is already running (pid {pid})"
        for failure in start(self, [name]):
            raise failure
        return f"{name} started (pid {self.view(name).pid})"

    def stop(self, wanted: str) -> str:
        """Stop a process, paused or not, and wait until it has ended."""
        name = self.resolve(wanted)
        self.check_ours(name, "stop")
        view = self.view(name)
        if view.is_up:
            resume(view.pid)
        if not self.supervisor.stop(name):
            return f"{name} is not running"
        if not wait_until(lambda: self.view(name).state is ProcessState.STOPPED, STOP_TIMEOUT_S):
            raise ClusterError(f"{name} did not end within {STOP_TIMEOUT_S:g} s.")
        return f"{name} stopped"

    def restart(self, wanted: str) -> Iterator[str]:
        """Stop and start a process."""
        name = self.resolve(wanted)  # once: stopping the leader makes another one
        self.check_ours(name, "restart")
        yield self.stop(name)
        yield self.start(name)

    def mend(self, names: Collection[str]) -> list[StartFailed]:
        """Resume or start processes, stage by stage; return what did not start."""
        failures: list[StartFailed] = []
        for stage in stages(self.part):
            wanted = [name for name in stage if name in names]
            wait_until(partial(self._are_settled, wanted), EFFECT_TIMEOUT_S)
            for view in self.take_snapshot().processes:
                if view.name in wanted and view.state is ProcessState.PAUSED:
                    self.kill(view.name, "CONT")
            failures += start(self, [name for name in wanted if not self.view(name).is_up])
        return failures

    def rebuild(self, wanted: str, lose: int = 0) -> list[str]:
        """
        Make a database anew.

        A replica's from the others and the ledger, the catalog's from the replicas.

        lose: how many entries that only this database may have are given up. Raises ClusterError:
        nobody else has what it has, it runs under somebody else, it has entries that the ledger
        lacks (or, of a catalog, every replica), or it could not be stopped or started.
        """
        name = self.resolve(wanted)
        if role_of(name) not in (Role.ORDER, Role.CATALOG):
            raise ClusterError(f"{name} cannot be rebuilt: nobody else has what it has.")
        self.check_ours(name, "rebuild")
        if not self.supervisor.is_running():
            with hold(self.data):
                return self._make_anew(name, lose)
        if not self.view(name).is_up:
            ports.check_silent(name, self.nodes[name])  # what answers there is somebody else's
        self._check_other_copies(name, lose)  # before its stop: a refusal changes nothing
        was_up, lines = self.view(name).is_up, [self.stop(name)]
        try:
            lines += self._make_anew(name, lose)
        except ClusterError:  # meanwhile it has got what nobody else has
            if was_up:
                self.start(name)
            raise
        return [*lines, self.start(name)]

    def _check_other_copies(self, name: str, lose: int) -> None:
        """Raise ClusterError when nobody else has what a database has, or `lose` entries less."""
        import_module("bazaar.cluster.only_copy").check(self, name, lose)  # it reads databases

    def _make_anew(self, name: str, lose: int) -> list[str]:
        wait_until(lambda: not ports.is_open(self.nodes[name].control_address), EFFECT_TIMEOUT_S)
        ports.check_silent(name, self.nodes[name])
        self._check_other_copies(name, lose)
        node = self.nodes[name]
        taking = databases.Filling(is_taking=True)
        moved = [] if node.database else databases.move_aside(self.data, name)
        return [*moved, *databases.prepare(self.data, name, node, self.environ, taking)]

    def _are_settled(self, names: Collection[str]) -> bool:
        return all(map(self._is_settled, names))

    def _is_settled(self, name: str) -> bool:
        info = self.supervisor.processes()[name]
        return info.is_up == self.view(name).is_up and info.statename != "STOPPING"


def _has_effect(number: signal.Signals, before: ProcessView, now: ProcessView) -> bool:
    """Return whether a signal's effect can be seen."""
    match number:
        case signal.SIGKILL:
            return now.pid != before.pid
        case signal.SIGSTOP:
            return now.state is not ProcessState.RUNNING
        case signal.SIGCONT:
            return now.state is not ProcessState.PAUSED
    return True
