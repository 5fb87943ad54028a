"""
Audits: databases against each other and against the answers to clients.

- `sources` are what an audit reads: `files` (database files) or `remote` (a running cluster)
- `audit_database` is where it puts what it read; most promises are a query on it
- `cluster_audit` compares the sources (`log_checks`, `ledger_checks`); `history_checks` and
  `read_checks` hold a history (`records`) against them
- `linearizability` judges `stock_operations` alone and needs no cluster; `violations` are its words
- `verdict` is the result

`bazaar.loadtest` and `bazaar.management` may import all of it. May import `bazaar.cluster` and all
below it, but no role.
"""
