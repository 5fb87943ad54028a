"""The planted faults: each changes one operator, constant or line that a promise rests on."""

from tests.mutants.database_faults import DATABASE_MUTANTS
from tests.mutants.dialect_faults import DIALECT_MUTANTS
from tests.mutants.endpoint_faults import ENDPOINT_MUTANTS
from tests.mutants.epoch_faults import EPOCH_MUTANTS
from tests.mutants.mutant import Mutant

MUTANTS = (
    # The ledger's decisions
    Mutant("a stock is sold that is not there", "if quantity < 0:", "if quantity < -1:"),
    Mutant(
        "the last of the issued shares is refused",
        "if quantity > stock.issued:",
        "if quantity >= stock.issued:",
    ),
    Mutant(
        "a key places another trade",
        "return order if order.is_of(trade) else KeyReused()",
        "return order",
    ),
    Mutant(
        "the ledger trades for another leader of the term",
        "if (term, leader) != (current, current_leader):",
        "if term != current:",
    ),
    # A replica's log and term
    Mutant("a replica follows an old term", "if term < self.term or is_rival:", "if is_rival:"),
    Mutant(
        "a replica follows two leaders of a term",
        "if term < self.term or is_rival:",
        "if term < self.term:",
    ),
    Mutant(
        "trades go on with a replica too few in sync",
        "if len(outbox.in_sync()) < self.in_sync_min:",
        "if len(outbox.in_sync()) < self.in_sync_min - 1:",
    ),
    Mutant(
        "a deposed leader acknowledges",
        "if self.outbox is not outbox:\n            raise Deposed\n        return tuple(",
        "if self.outbox is None:\n            raise Deposed\n        return tuple(",
    ),
    Mutant(
        "a replica leads a term that the catalog does not know",
        "if (current.term, current.leader) != (term, leader):",
        "if current.term > term:",
    ),
    Mutant(
        "a replica remembers what its disk does not have",
        "self.log.append(fresh)\n        self.head = fresh[-1][1]",
        "self.head = fresh[-1][1]\n        self.log.append(fresh)",
    ),
    Mutant(
        "a full disk is called damage",
        "*(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY),",
        "*(sqlite3.SQLITE_PERM,),",
    ),
    # Pages of a database's file
    Mutant(
        "a page is written over before it is compared",
        "if wrong := self.sums.find_wrong(pages):\n                    return",
        "if wrong := self.sums.find_wrong(()):\n                    return",
    ),
    Mutant(
        "what a checkpoint writes is not noted",
        "self.sums.note(sums)",
        "self.sums.note({})",
    ),
    Mutant(
        "a page that a newer frame keeps from the file is noted",
        "if page not in newer}",
        "if page}",
    ),
    Mutant(
        "what another process writes is called damage",
        "if len(wrong) == 1 and flipped == list(wrong) and not logged:",
        "if wrong:",
    ),
    Mutant(
        "what a failed checkpoint may have written is called damage",
        "self.sums.forget(pages | compared)",
        "self.sums.forget(())",
    ),
    # Replication
    Mutant(
        "a follower takes orders that its leader has not sent",
        "return self._confirmed == (append.term, append.leader, append.token)",
        "return self.term == append.term and self.leader == append.leader",
    ),
    Mutant(
        "a leader confirms whatever it is asked",
        "if outbox is None or (outbox.term, outbox.token) != (term, token):",
        "if outbox is None or outbox.term != term:",
    ),
    Mutant(
        "a follower takes orders after a gap",
        "if after.position > head.position:",
        "if after.position > head.position + 1:",
    ),
    Mutant(
        "a follower takes orders of another history",
        "if (ours := log.digest_at(after.position)) != after.digest:\n        raise",
        "if (ours := log.digest_at(after.position)) == page.digest:\n        raise",
    ),
    Mutant(
        "a follower joins without what was acknowledged",
        "self.released = max(self.released, upto)",
        "self.released = min(self.released, upto)",
    ),
    # Elections
    Mutant(
        "a leader is chosen that does not reach the catalog",
        "(ping.reaches_catalog, ping.replica_id)",
        "(ping.replica_id, ping.reaches_catalog)",
    ),
    Mutant(
        "a watcher that stood still takes that for the leader's silence",
        "self.silent_s += min(now_s - self._looked_s, LOOK_S)",
        "self.silent_s += now_s - self._looked_s",
    ),
    Mutant(
        "a trade that may happen is called refused",
        "doubtful is None or doubtful < term",
        "doubtful is None or doubtful <= term",
    ),
    # The cache, its leases and its subscriptions
    Mutant(
        "an answer is cached that was asked for before a change",
        "if stock is None or fill.is_detached:",
        "if stock is None:",
    ),
    Mutant(
        "a reader gets an older version than it has heard of",
        "return self.is_owner or stock.version >= self.version_min",
        "return self.is_owner or stock.version >= self.version_min - 1",
    ),
    Mutant(
        "a lease counts from the answer to its renewal",
        "self.lease.renewed(sent_s)",
        "self.lease.renewed(monotonic_s())",
    ),
    Mutant(
        "a suspended holder renews its lease",
        "lease is not None and not lease.is_suspended and",
        "lease is not None and",
    ),
    Mutant(
        "a registration that is over begins a lease again",
        "if lease is None and holder_id not in self.ended:",
        "if lease is None:",
    ),
    Mutant(
        "a holder keeps its id when it registers anew",
        "self.holder = msgspec.structs.replace(self.holder, holder_id=uuid4())",
        "pass",
    ),
    Mutant(
        "a holder caches a stock while it changes",
        "if holder_id not in self.leases or stock_name in self.changing:",
        "if holder_id not in self.leases:",
    ),
    Mutant(
        "a holder hears nothing of a new stock",
        "        if is_listing:\n            return tuple(self.leases)",
        "        if is_listing and not self.leases:\n            return ()",
    ),
    Mutant(
        "a name is called unknown before the listing was read to its end",
        "if end >= listed:",
        "if end >= listed // 2:",
    ),
    Mutant(
        "a reader shares that there is no stock although it heard of one",
        "if isinstance(found, UnknownStock) and not ticket.version_min:",
        "if isinstance(found, UnknownStock) and ticket.version_min < 2:",
    ),
    Mutant(
        "a number is called unknown by what was heard before",
        "if order_no > last:",
        "if order_no > self._watch.newest - 1:",
    ),
    # What processes share
    Mutant(
        "a batch is larger than its limit",
        "size + len(self._queue[0].items) <= self._batch_max",
        "size + len(self._queue[0].items) <= self._batch_max + 1",
    ),
    Mutant(
        "a digest leaves the history out",
        'sha256(f"{digest}|{text}".encode())',
        "sha256(text.encode())",
    ),
    Mutant(
        "a signature is good before its time",
        "if abs(now_s - int(stamp)) > VALID_S:",
        "if now_s - int(stamp) > VALID_S:",
    ),
    Mutant(
        "a call is sent again on a new connection",
        "if not is_kept or connection.is_aborted:",
        "if connection.is_aborted:",
    ),
    Mutant(
        "an indefinite failure is called definite",
        "str(failure.is_definite).lower()",
        '"true"',
    ),
    Mutant(
        "a body may be longer than its limit",
        "if count > self._body_bytes_max:",
        "if count > self._body_bytes_max + 1:",
    ),
    # A catalog that is lost, put back or made anew
    Mutant(
        "a database of another cluster is used",
        "elif row.cluster_id != wanted:",
        "elif row.cluster_id is None:",
    ),
    Mutant(
        "a request of another cluster is answered",
        "if cluster and ours and cluster != ours:",
        "if cluster and ours and not receiver:",
    ),
    Mutant(
        "another incarnation prolongs a lease",
        "self._is_registered and answer.incarnation == self._incarnation:",
        "self._is_registered:",
    ),
    Mutant(
        "orders of another incarnation are remembered",
        "            self._forget()\n",
        "",
    ),
    Mutant(
        "a ledger shorter than the logs is served",
        "if newest is not None and sound[newest].position > ledger.position:",
        "if newest is not None and sound[newest].position > ledger.position + 10**9:",
    ),
    Mutant(
        "a term below the highest known goes on",
        "        if term > current.term:\n",
        "        if term > current.term + 10**9:\n",
    ),
    Mutant(
        "a catalog goes on without who was in sync",
        "if len(wanted) - len(silent) >= needed:",
        "if len(wanted) - len(silent) >= 0:",
    ),
    Mutant(
        "another history passes for the ledger's",
        "            is_same = head.digest_at == ledger.digest\n",
        "            is_same = head.digest_at != ''\n",
    ),
    Mutant(
        "leases of a lost catalog are not waited for",
        "if self._is_behind:",
        "if not self._is_behind and False:",
    ),
    Mutant(
        "a catalog decides before it has asked",
        "return recovery().reason",
        "return ''",
    ),
    Mutant(
        "a damaged page is taken",
        "(linked[-1][1] if linked else after).digest != page.digest:",
        "not page.digest:",
    ),
    Mutant(
        "a catalog takes what it lacks from a damaged log",
        "sound = {one: head for one, head in heads.items() if not head.is_damaged}",
        "sound = dict(heads)",
    ),
    Mutant(
        "a damaged log that may be the only copy is done without",
        "if not head.is_damaged or head.position <= newest",
        "if head.position <= newest or True",
    ),
    Mutant(
        "what a lost catalog answers late is stored",
        "if self._recoveries != recoveries:",
        "if self._recoveries < recoveries:",
    ),
    Mutant(
        "what is moved aside is lost",
        "file.rename(folder / file.name)",
        "file.unlink()",
    ),
    Mutant(
        "a repair keeps no damaged database",
        "        self.path.hardlink_to(self._path)\n",
        "",
    ),
    Mutant(
        "a repair gives up the only copy",
        "        if not hindrance:\n            self.aside.begin_anew(self._save_term)",
        "        if damage.where:\n            self.aside.begin_anew(self._save_term)",
    ),
    Mutant(
        "the only copy of an order may be deleted",
        "return last.position - shared.position in (0, lose)",
        "return last.position - shared.position >= lose",
    ),
    Mutant(
        "a backup's own record of who is in sync is believed",
        "        _note_in_sync(part, replica_ids)\n",
        "",
    ),
    Mutant(
        "a damaged backup is put back",
        "if fault := file.find_fault():\n                raise ClusterError(f",
        "if (fault := file.find_fault()) and not fault:\n                raise ClusterError(f",
    ),
    # Disks that fail
    Mutant(
        "a batch that the leader could not store is acknowledged",
        """raise NotReplicated(f"The leader could not store it. {failure.message}") from failure""",
        "del failure",
    ),
    Mutant(
        "what a full disk did not take passes for stored",
        "            raise failure from error\n\n\nstorage",
        "            return True  # type: ignore[return-value]\n\n\nstorage",
    ),
    Mutant(
        "a leader leads on when its disk does not take the newer term",
        "        self._fall_back(ReplicaState.LEADING)\n"
        "        self._fall_back(ReplicaState.TAKING_OVER)\n"
        "        self.log.save_term(term, leader)\n",
        "        self.log.save_term(term, leader)\n"
        "        self._fall_back(ReplicaState.LEADING)\n"
        "        self._fall_back(ReplicaState.TAKING_OVER)\n",
    ),
    *(DATABASE_MUTANTS + DIALECT_MUTANTS + ENDPOINT_MUTANTS + EPOCH_MUTANTS),
)
