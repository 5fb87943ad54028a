"""Planted faults of epochs: what a holder believes, and when a standby may commit."""

from tests.mutants.mutant import Mutant

EPOCH_MUTANTS = (
    Mutant(
        "an older epoch is believed",
        "if epoch < self.epoch:\n            raise NotActive(self.epoch, None)",
        "if epoch < self.epoch - 1:\n            raise NotActive(self.epoch, None)",
    ),
    Mutant(
        "a lease outlives its epoch",
        "self.lost()\n        self.epoch = epoch",
        "self.epoch = epoch",
    ),
    Mutant(
        "a lease does not allow for clocks that drift",
        "sent_s + self.lease_s * (1 - 2 * CLOCK_DRIFT_MAX)",
        "sent_s + self.lease_s",
    ),
    Mutant(
        "a new active commits as soon as one holder has acknowledged",
        "self.unacknowledged.discard(holder_id)",
        "self.unacknowledged.clear()",
    ),
    Mutant(
        "a takeover waits as long as one lease, and no longer",
        "self._leases_over_s = now_s + PROOF_S + self._lease_s",
        "self._leases_over_s = now_s + self._lease_s",
    ),
    Mutant(
        "a claim counts as a proof from its answer",
        "self.proof.renewed(sent_s)\n        self.unacknowledged",
        "self.proof.renewed(now_s)\n        self.unacknowledged",
    ),
    Mutant(
        "a process goes on in the epoch of its last life",
        "if self.known.catalog in (None, self.catalog):",
        "if self.known.catalog is None:",
    ),
    Mutant(
        "a front end keeps the stocks of an older epoch",
        "if not self.lease.hear(epoch):\n                return\n            self.cache.clear()",
        "if not self.lease.hear(epoch):\n                return",
    ),
    Mutant(
        "a registration is stored in any epoch",
        "return bool(database.execute(_HOLD, (epoch,)).rowcount)",
        "return bool(database.execute(_HOLD, (epoch,)).rowcount + 1)",
    ),
    Mutant(
        "what was read is answered though the proof ran out meanwhile",
        "        self.activity.check_granting(self.now_s())\n        if moves",
        "        if moves",
    ),
    Mutant(
        "an answer of an older epoch counts",
        "self._route.admit(catalog, _read_epoch(text))",
        "_read_epoch(text)",
    ),
    Mutant(
        "an answer of a newer epoch leaves a call with a paused catalog",
        "if self._route.admit(catalog, _read_epoch(text)):\n                self._on_news(catalog)",
        "self._route.admit(catalog, _read_epoch(text))",
    ),
    Mutant(
        "a registration ends those that a takeover waits for",
        "may_run = [*holders, *wiring.list_awaited()]",
        "may_run = [*holders]",
    ),
    Mutant(
        "what nobody has acknowledged is read out",
        "return position > known.position or term > known.term",
        "return False",
    ),
    Mutant(
        "a batch is decided in the epoch of another catalog",
        "make_row(leadership)\n    head_row.fence.check(row)",
        "make_row(leadership)",
    ),
    Mutant(
        "a standby claims beside an active that proves itself",
        "self._silent_looks = 0\n                return False",
        "self._silent_looks = 0\n                return True",
    ),
    Mutant(
        "a standby does not read the head row anew",
        "known, now_s = self.read_known(), self.now_s()",
        "known, now_s = self.activity.known, self.now_s()",
    ),
    Mutant(
        "a member takes the answers of the epoch before",
        "if epoch < self.epoch:\n            raise Unreachable(",
        "if epoch < self.epoch - 1:\n            raise Unreachable(",
    ),
    Mutant(
        "a front end acknowledges an epoch and goes on with what it remembers",
        "wiring.link().hear(epoch, catalog)\n    wiring.stocks().hear_epoch(epoch)",
        "wiring.link().hear(epoch, catalog)",
    ),
    Mutant(
        "a stock under change is read out before that is over",
        "if wiring.is_shared() and not wiring.lease_table().are_settled(",
        "if wiring.is_shared() and wiring.lease_table().are_settled(",
    ),
    Mutant(
        "what a replaced node of the database said is answered",
        "        if moves != self.moves:\n            raise Unreachable(",
        "        if moves > self.moves:\n            raise Unreachable(",
    ),
)
