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
        "self._leases_over_s = proved_s + PROOF_S + self._lease_s",
        "self._leases_over_s = proved_s + self._lease_s",
    ),
    Mutant(
        "a takeover waits a tenth less",
        "self._leases_over_s = proved_s + PROOF_S + self._lease_s",
        "self._leases_over_s = proved_s + 0.9 * (PROOF_S + self._lease_s)",
    ),
    Mutant(
        "a takeover counts from what was seen, though the active has proved itself since",
        "proved_s = self._find_sent_s(heartbeat, now_s)",
        "proved_s = self._heartbeat_s",
    ),
    Mutant(
        "a takeover counts from the claim",
        "proved_s = self._find_sent_s(heartbeat, now_s)",
        "proved_s = now_s",
    ),
    Mutant(
        "a takeover takes the clock of the active before for exact",
        "passed_s / (1 - 2 * CLOCK_DRIFT_MAX)",
        "passed_s",
    ),
    Mutant(
        "a heartbeat that a failover has put back counts as a later one",
        "if passed_s < 0:",
        "if passed_s < -10:",
    ),
    Mutant(
        "the time in the head row falls",
        "proofs = CASE WHEN proofs < ? THEN ? ELSE proofs + 1 END",
        "proofs = CASE WHEN ? IS NULL THEN 0 ELSE ? END",
    ),
    Mutant(
        "a claim goes on with the time of the active before",
        "        head_row.begin_clock(database)\n",
        "",
    ),
    Mutant(
        "silence counts while the database is out",
        "if has_failed or now_s - sent_s >= PROOF_S:",
        "if has_failed and now_s - sent_s >= PROOF_S:",
    ),
    Mutant(
        "an active whose proof took too long waits with the next one",
        "            self._prove()  # the database",
        "            pass  # the database",
    ),
    Mutant(
        "a proof counts from when it was looked for, which may be before it was sent",
        "record, now_s = self._read_record(), self.now_s()",
        "now_s, record = self.now_s(), self._read_record()",
    ),
    Mutant(
        "a silent active that proves itself is replaced",
        "heartbeat is None or only not in (None, heartbeat)",
        "heartbeat is None",
    ),
    Mutant(
        "a failover makes a heartbeat come again",
        "sent_us = _ORIGIN_US + int(clock.monotonic_s() * 1e6)",
        "sent_us = 1",
    ),
    Mutant(
        "replicas of the smaller side of a cut have an active replaced",
        "return lost > reached + silent",
        "return lost > reached",
    ),
    Mutant(
        "one word of the replicas is enough",
        "self._lost_looks + 1 if is_out_of_reach(words) else 0",
        "self._lost_looks + 2 if is_out_of_reach(words) else 0",
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
        "return bool(database.execute(_HOLD, (*_sent_us(), epoch)).rowcount)",
        "return bool(database.execute(_HOLD, (*_sent_us(), epoch)).rowcount + 1)",
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
        "record, now_s = self._read_record(), self.now_s()",
        "record, now_s = ActiveRecord(self.activity.known, ()), self.now_s()",
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
