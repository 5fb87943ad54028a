"""
Audits as a whole: of a cluster alone, and with a history of its clients.

A verdict is a value; how to show it, and what a finding means for an exit status, is for others.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.supervisor_config import cluster_environment
from bazaar.loadtest.plan import FrontEndAccess
from bazaar.loadtest.readback import read_back
from bazaar.proof.audit_database import AuditDatabase
from bazaar.proof.cluster_audit import audit_cluster, audit_files
from bazaar.proof.history_checks import check_history, load_history
from bazaar.proof.read_checks import check_reads
from bazaar.proof.records import Record, read_history
from bazaar.proof.remote import LEVEL_TIMEOUT_S, ClusterClients, wait_until_level
from bazaar.proof.verdict import AuditNotes, Verdict
from bazaar.settings import env

CALL_TIMEOUT_S = 10.0
"""For one page, be the role busy."""
STATUS_TIMEOUT_S = 2.0
History = Path | Iterable[Record]


def audit(
    history: History | None = None,
    *,
    data: DataDir | None = None,
    is_offline: bool = False,
    access: FrontEndAccess | None = None,
) -> Verdict:
    """
    Return what is wrong with the servers, and with a history if there is one.

    data: the cluster's folder, with its description, its secret and its databases. is_offline: read
    the database files; otherwise ask the running roles. access: to front ends from which
    acknowledged orders are read back. Raises ClusterError, SettingsError: there is no such cluster.
    Raises HistoryError, OSError.
    """
    with AuditDatabase() as scratch:
        notes = AuditNotes()
        if history is not None:
            records = read_history(history) if isinstance(history, Path) else history
            load_history(records, scratch, notes)
        has_ledger = _audit_servers(data, scratch, notes, is_offline=is_offline)
        if history is not None:
            check_history(scratch, notes, has_ledger=has_ledger)
            if access:
                read_back(access, scratch, notes)
            check_reads(scratch, notes, has_ledger=has_ledger)
        return notes.verdict()


def prove(
    history: History,
    *,
    data: DataDir | None = None,
    access: FrontEndAccess | None = None,
    level_timeout_s: float = LEVEL_TIMEOUT_S,
) -> Verdict:
    """
    Return whether a cluster kept its promises to a run that has just ended.

    data: of the cluster, when it is one that we may ask; without it only what clients can see is
    held against each other. access: as `audit`. Waits level_timeout_s at most for the replicas to
    be level. Raises as `audit`.
    """
    late: tuple[str, ...] = ()
    if data:
        with _parties(data, STATUS_TIMEOUT_S) as parties:
            late = wait_until_level(parties, level_timeout_s)
    verdict = audit(history, data=data, access=access)
    gaps = dict.fromkeys((*late, *verdict.gaps))
    return Verdict(verdict.findings, tuple(gaps), verdict.counts)


def _audit_servers(
    data: DataDir | None, scratch: AuditDatabase, notes: AuditNotes, *, is_offline: bool
) -> bool:
    if data is None:
        return False
    if is_offline:
        return audit_files(data, scratch, notes)
    with _parties(data, CALL_TIMEOUT_S) as parties:
        return audit_cluster(parties, scratch, notes)


def _parties(data: DataDir, timeout_s: float) -> ClusterClients:
    """Return the audit sources of the folder's cluster, or of BAZAAR_CLUSTER's."""
    is_elsewhere = os.environ.get("BAZAAR_CLUSTER") and not data.topology_path.exists()
    topology = env.read_topology(os.environ) if is_elsewhere else data.read_topology()
    env.begin_tls(topology, data.root)
    secret = env.read_secret(cluster_environment(data, os.environ))
    return ClusterClients.of(topology, secret, timeout_s)
