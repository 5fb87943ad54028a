"""Output of `manage.py cluster`: tables for people, JSON for programs."""

import datetime
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.snapshot import ProcessState, ProcessView, Snapshot
from bazaar.protocol import cluster_report
from bazaar.protocol.statuses import CatalogStatus, ReplicaStatus
from bazaar.settings.database_url import describe_url
from bazaar.topology import Role, format_address

if TYPE_CHECKING:  # rich is loaded with the first table: a cluster that starts has none yet
    from rich.console import Console
    from rich.table import Table

PLAIN_WIDTH = 200
"""Columns when the output is not a terminal: enough to keep a row on one line."""


def open_console(file: Any) -> "Console":
    """Return the console on which tables are printed."""
    make = import_module("rich.console").Console
    plain: Console = make(file=file, highlight=False, soft_wrap=True)
    return plain if plain.is_terminal else make(file=file, highlight=False, width=PLAIN_WIDTH)


def make_address_table(snapshot: Snapshot, data: DataDir) -> "Table":
    """Return the table that `up` prints once."""
    table = _table("role", "address", "control address", "pid", "database")
    for view in (one for one in snapshot.processes if one.is_ours):
        node = view.node
        control = format_address(node.host, node.control_port) if node.control_port else "-"
        database = describe_url(node.database) or data.database(view.name)
        table.add_row(view.name, node.url, control, str(view.pid or "-"), str(database or "-"))
    return table


def make_status_table(snapshot: Snapshot) -> "Table":
    """Return the table that `status` prints."""
    has_hosts = len({view.node.host for view in snapshot.processes}) > 1
    has_standbys = sum(view.role is Role.CATALOG for view in snapshot.processes) > 1
    columns = ("state", "pid", "up since", "term", "last order", "lag", "in sync")
    table = _table("role", *(("host",) if has_hosts else ()), *columns)
    for view in snapshot.processes:
        facts = describe(view, snapshot)
        table.add_row(
            view.name + _tell_part(facts, has_standbys=has_standbys),
            *((view.node.host,) if has_hosts else ()),
            _state(view),
            _text(facts["pid"]),
            local_time(view.up_since_s),
            _text(facts["term"]),
            _text(facts["last"]),
            _lag(facts),
            {True: "yes", False: "no", None: "-"}[facts["is_in_sync"]],
        )
    return table


def _tell_part(facts: Mapping[str, Any], *, has_standbys: bool) -> str:
    """Return what to say behind the name of a process: that it leads, or what a catalog is."""
    if facts["is_leader"]:
        return " (leader)"
    return f" ({facts['activity']})" if has_standbys and facts["activity"] else ""


def make_token_table(rows: Sequence[Mapping[str, str]]) -> "Table":
    """Return the table that `token list` prints; rows: by column, at least one."""
    table = _table(*rows[0])
    for row in rows:
        table.add_row(*row.values())
    return table


def describe_health(snapshot: Snapshot) -> str:
    """Return health, leader and term in one line, or why they are not known."""
    if snapshot.silence:
        return snapshot.silence
    report = snapshot.report
    line = cluster_report.describe_health(snapshot.health, report)
    return f"{line}. {report.disagreement}" if report.disagreement else line


def list_silences(snapshot: Snapshot) -> list[str]:
    """Return a sentence for each host or process elsewhere that does not answer."""
    silent = {view.name: view for view in snapshot.processes if not (view.is_ours or view.status)}
    silent = {name: one for name, one in silent.items() if one.silence}
    found = [
        f"Nothing answers on the host {host}: {silent[names[0]].silence.rstrip('.')}."
        for host, names in snapshot.report.silent_hosts.items()
        if silent.keys() >= set(names)
    ]
    hosts = snapshot.report.silent_hosts
    return found + [
        f"{name} on {one.node.host} does not answer: {one.silence.rstrip('.')}."
        for name, one in silent.items()
        if one.node.host not in hosts
    ]


def as_json(snapshot: Snapshot) -> str:
    """Return a snapshot as one JSON object."""
    found = {
        "health": snapshot.health.value,
        "leader": snapshot.leader.node.id if snapshot.leader else None,
        "term": snapshot.term,
        "in_sync": snapshot.in_sync,
        "processes": [describe(view, snapshot) for view in snapshot.processes],
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def describe(view: ProcessView, snapshot: Snapshot) -> dict[str, Any]:
    """Return the facts of a process; None where one does not apply or is not known."""
    status = view.status
    replica = status if isinstance(status, ReplicaStatus) else None
    is_replica = view.role is Role.ORDER
    return {
        "name": view.name,
        "role": view.role,
        "id": view.node.id,
        "state": view.state.value,
        "is_well": view.is_well,
        "is_ours": view.is_ours,
        "silence": view.silence or None,
        "pid": view.pid or (status.pid if status else None),
        "up_since": _utc(view.up_since_s),
        "host": view.node.host,
        "port": view.node.port,
        "control_port": view.node.control_port or None,
        "standing": replica.state if replica else None,
        "activity": status.activity if isinstance(status, CatalogStatus) else None,
        "is_leader": view == snapshot.leader if is_replica else None,
        "term": status.term if status else None,
        "last": status.last if status and view.role in (Role.ORDER, Role.CATALOG) else None,
        "lag_orders": replica.lag_orders if replica else None,
        "lag_ms": replica.lag_ms if replica else None,
        "is_in_sync": view.node.id in snapshot.in_sync if is_replica else None,
    }


def _table(*columns: str) -> "Table":
    head = import_module("rich.box").SIMPLE_HEAD
    table: Table = import_module("rich.table").Table(box=head, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _state(view: ProcessView) -> str:
    if view.is_corrupt:
        return "log damaged"
    if view.state is ProcessState.UNKNOWN and not view.is_ours:
        return "no answer"
    if view.state == "running" and not view.is_well:
        return "starting" if view.status else "silent"
    return view.state.value


def _lag(facts: dict[str, Any]) -> str:
    if facts["lag_orders"] is None:
        return "-"
    return f"{facts['lag_orders']} orders, {facts['lag_ms']:.0f} ms"


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def _utc(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")


def local_time(seconds: float | None) -> str:
    """Return date and time of day for people; a dash for None."""
    if seconds is None:
        return "-"
    utc = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return utc.astimezone().strftime("%Y-%m-%d %H:%M:%S")
