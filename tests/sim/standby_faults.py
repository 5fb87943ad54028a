"""Faults planted in the parts of standby catalogs, for the simulation to find (docs/adr/0048)."""

from dataclasses import replace

import pytest

from bazaar.core.activity import ActiveCatalog, ActiveRecord, Activity, Heartbeat
from bazaar.core.coherence import Lease
from bazaar.core.types import Epoch
from tests.sim import shared_active
from tests.sim.shared_active import Registered
from tests.sim.shared_catalog import SharedActivity, SharedCatalog
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
    claim = SharedActivity._claim

    def resume(shell: SharedActivity, only: Heartbeat | None) -> None:
        known = shell.activity.known
        if known.catalog != shell.activity.catalog:
            claim(shell, only)
            return
        shell.found = replace(shell.database.read(Registered.read), holders=())
        shell.activity.known = ActiveCatalog(Epoch(known.epoch - 1), None)
        shell.begin(known.epoch, ())
        shell.activity.claimed(shell.now_s(), shell.now_s(), (), ())

    patch.setattr(SharedActivity, "_claim", resume)


def judge_by_own_link(patch: pytest.MonkeyPatch) -> None:
    """Let a standby claim from who does not answer it, whatever the database shows."""
    hear = Activity.hear

    def forget(activity: Activity, record: ActiveRecord, now_s: float) -> None:
        looks, known = activity._silent_looks, activity.known
        hear(activity, record, now_s)
        activity._silent_looks = looks if known == activity.known else 0

    patch.setattr(Activity, "hear", forget)
    claim = SharedActivity.claim_epoch
    patch.setattr(
        SharedActivity, "claim_epoch", lambda shell, known, only: claim(shell, known, None)
    )


def ask_no_replica(patch: pytest.MonkeyPatch) -> None:
    """Let a standby keep whoever proves itself, though nobody reaches it."""
    patch.setattr(Activity, "may_replace", lambda activity, words, now_s: False)
