"""The planted faults in what the dialects answer, of those in `faults`."""

from tests.mutants.mutant import Mutant

DIALECT_MUTANTS = (
    Mutant(
        "a stale stock passes for a current one",
        "if read.is_stale:\n            body",
        "if read.is_stale and read.age_s < 0:\n            body",
    ),
    Mutant(
        "a representation has the tag of another dialect",
        "return f'\"{stock.version}{self.dialect.tag_suffix}\"'",
        "return f'\"{stock.version}\"'",
    ),
    Mutant(
        "a trade that was repeated passes for a replay",
        "if doubtful is not None:  # it may be this",
        "if False:  # it may be this",
    ),
    Mutant(
        "a list lacks what another front end placed",
        "upto = min(upto, self._ledger_end.read())",
        "upto = min(upto, self._watch.newest)",
    ),
    Mutant(
        "a body may mix two dialects",
        "elif wanted.stock_name is UNSET and wanted.trade_type is UNSET:",
        "elif wanted.name and wanted.type:",
    ),
    Mutant(
        "a page of one stock looks through all orders",
        "max(upto - LOOKED_THROUGH_MAX + 1, 1)",
        "max(1, 1)",
    ),
)
