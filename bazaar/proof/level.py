"""Wait until every replica has what the ledger has: after a load, with nobody trading."""

from concurrent.futures import ThreadPoolExecutor

from bazaar.cluster.waits import wait_until
from bazaar.core.failures import Failure
from bazaar.proof.parties import Parties
from bazaar.protocol.clients import ReplicaClient

LEVEL_TIMEOUT_S = 30.0
"""For a replica to come back and catch up after the last fault."""
THREADS_MAX = 16


def wait_level(parties: Parties, timeout_s: float = LEVEL_TIMEOUT_S) -> tuple[str, ...]:
    """Wait until all is level; return a sentence for each replica that is not in time."""
    faults: list[str] = []

    def is_level() -> bool:
        faults[:] = _faults(parties)
        return not faults

    wait_until(is_level, timeout_s)
    return tuple(f"{fault}, and has been so for {timeout_s:g} s." for fault in faults)


def _faults(parties: Parties) -> list[str]:
    try:
        last = parties.catalog.status().last
    except Failure as failure:
        return [f"catalog: {failure.message.rstrip('.')}"]
    with ThreadPoolExecutor(THREADS_MAX) as pool:
        found = pool.map(lambda one: _fault(one[0], one[1], last), parties.replicas.items())
    return [fault for fault in found if fault]


def _fault(name: str, replica: ReplicaClient, last: int) -> str:
    try:
        status = replica.status()
    except Failure as failure:
        return f"{name}: {failure.message.rstrip('.')}"
    if not status.is_ready:
        return f"{name} does not serve ({status.state})"
    if status.last < last:
        return f"{name} is at order {status.last:,} of {last:,}"
    return ""
