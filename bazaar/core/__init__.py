"""
The decisions, pure: no I/O, no clock, no threads, no global random.

Machines are driven by a shell that has the lock, the network and the disk: `ledger`, `coherence`
and `activity` by the catalog, `replica` and `replication` by an order replica, `election`, `cache`
and `listing` by a front end. What needs an answer from another process is a flow (`flow`). `types`,
`failures`, `digest`, `histogram` are values and small tools. Everything may import this package; it
imports the standard library only.
"""
