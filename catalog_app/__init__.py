"""
The catalog: it owns the stocks, the ledger, the leadership and the leases.

`views` lists the endpoints, `services` has the verbs, each with its transaction (`store`),
`selectors` the reads, `lease_table` and `leader_protection` the shells around the core, `wiring`
the running parts. Other rooms reach it over HTTP only. It may import `web`, `runtime`, `protocol`,
`core`, `clock` and `topology`.
"""
