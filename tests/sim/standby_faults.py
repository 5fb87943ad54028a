"""Faults planted in the parts of standby catalogs, for the simulation to find (docs/adr/0048)."""

import pytest

from bazaar.core.activity import ActiveCatalog, Activity
from bazaar.core.coherence import Lease
from bazaar.core.types import Epoch
from tests.sim import shared_active
from tests.sim.shared_active import ActiveShell, Registered
from tests.sim.shared_catalog import SharedCatalog
from tests.sim.shared_database import Rows


def compare_no_epoch(patch: pytest.MonkeyPatch) -> None:
    """Let a transaction commit whatever the epoch is."""
    patch.setattr(shared_active, "fence", lambda known: ({}, {}))
    patch.setattr(shared_active, "check_epoch", lambda current, epoch: None)


def read_the_epoch_only(patch: pytest.MonkeyPatch) -> None:
    """Let a transaction read the epoch, and commit without writing it."""

    def expect(known: ActiveCatalog) -> tuple[Rows, Rows]:
        return {"active": known}, {}

    patch.setattr(shared_active, "fence", expect)


def grant_without_proof(patch: pytest.MonkeyPatch) -> None:
    """Let an active grant for as long as it believes in its epoch."""
    patch.setattr(Activity, "check_granting", lambda activity, now_s: activity.check_active())


def wait_for_no_holder(patch: pytest.MonkeyPatch) -> None:
    """Let a new active commit before the holders of older epochs have acknowledged."""
    patch.setattr(Activity, "check_deciding", Activity.check_active)


def go_on_with_an_older_epoch(patch: pytest.MonkeyPatch) -> None:
    """Let a holder acknowledge an epoch, and go on with what an older one has granted."""

    def hear(lease: Lease, epoch: Epoch) -> bool:
        lease.epoch = max(epoch, lease.epoch)
        return False

    patch.setattr(Lease, "hear", hear)


def go_on_in_doubt(patch: pytest.MonkeyPatch) -> None:
    """Let an active go on after a commit whose outcome it does not know."""
    patch.setattr(SharedCatalog, "end_in_doubt", lambda process: None)


def go_on_with_an_earlier_life(patch: pytest.MonkeyPatch) -> None:
    """Let a process that starts go on in the epoch that its last life claimed."""
    claim = SharedCatalog._claim

    def resume(process: SharedCatalog) -> None:
        known = process.activity.known
        if known.catalog != process.id:
            claim(process)
            return
        found = process.database.read(Registered.read)
        process.activity.known = ActiveCatalog(Epoch(known.epoch - 1), None)
        process.activity.claimed(process.now_s, process.now_s, ())
        process.active = ActiveShell(process, Registered(found.settled, ()))

    patch.setattr(SharedCatalog, "_claim", resume)
