"""The planted faults in what an engine does and the head row holds, of those in `faults`."""

from tests.mutants.mutant import Mutant

DATABASE_MUTANTS = (
    Mutant(
        "the check in the background reads memory",
        'forget_pages = "PRAGMA shrink_memory"',
        'forget_pages = "SELECT 1"',
    ),
    Mutant(
        "what another catalog has decided meanwhile is overwritten",
        "    if updated != 1:\n        raise make_overtaken()",
        "    if updated > 1:\n        raise make_overtaken()",
    ),
    Mutant(
        "a ledger that has lost its end goes on",
        "if (head.position, head.digest) != (row.position, row.digest):",
        "if head.position < 0:",
    ),
)
