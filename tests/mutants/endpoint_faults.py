"""The planted faults at the doors and in databases, of those in `faults`."""

from tests.mutants.mutant import Mutant

ENDPOINT_MUTANTS = (
    Mutant(
        "an unsigned GET is answered",
        "self._check_member(environ, body)",
        "self._check_member(environ, body) if body else None",
    ),
    Mutant(
        "what was checked of one signed request counts for the next",
        "ANSWER_HEADERS, CLIENT_NAME, SIGNED_DIGEST, SPAN}",
        "ANSWER_HEADERS, CLIENT_NAME, SPAN}",
    ),
    Mutant(
        "a name may be longer than its limit",
        "if len(text) > STOCK_NAME_CHARS_MAX:",
        "if len(text) > STOCK_NAME_CHARS_MAX + 1:",
    ),
    Mutant(
        "every order stays in memory",
        "if len(self.entries) > self._limits.cache_orders_max:",
        "if len(self.entries) > 2 * self._limits.cache_orders_max:",
    ),
    Mutant(
        "a damaged order log is served",
        "if not is_dense or digest != stored:",
        "if not is_dense:",
    ),
    Mutant(
        "a damaged order is looked up",
        "            if extend_by_text(before, text) != digest:",
        "            if not digest:",
    ),
    Mutant(
        "a damaged page is sent",
        "if len(entries) < limit or end.digest != stored:",
        "if len(entries) < limit:",
    ),
    Mutant(
        "the index of keys is not checked",
        "same.{index} = {table}.{index} AND same.digest",
        "same.{key} = {table}.{key} AND same.digest",
    ),
    Mutant(
        "the ledger goes on from a damaged end",
        "if head.position == self.written.position and head != self.written:",
        "if head.position < 0:",
    ),
    Mutant(
        "a repair gives up another history",
        "if page.after.digest != self._shell.machine.digest and not is_end_damaged(",
        "if not page.after.digest and not is_end_damaged(",
    ),
    Mutant(
        "a repaired replica forgets its term",
        "create(pk=1, term=machine.term, leader=machine.leader)",
        "create(pk=1, term=0, leader=None)",
    ),
    Mutant(
        "a damaged catalog answers",
        "        wiring.check_deciding()\n",
        "",
    ),
    Mutant(
        "a request with a known head is taken for a whole one",
        'if own.get(wsgi_environ.LENGTH, "0") != str(len(received) - end):',
        "if end > len(received):",
    ),
    Mutant(
        "a thread that goes on with a batch forgets what the loop has sent",
        "return loops.run(self._flow, self._perform, nullcontext(), failure)",
        "return loops.run(\n"
        "                self._watch.elector.forward(self._trades), self._perform, nullcontext()\n"
        "            )",
    ),
)
