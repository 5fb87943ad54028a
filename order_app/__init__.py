"""
An order replica: it keeps a log of all orders, and one replica leads.

`views` lists the endpoints, `services` has the verbs, `replica` is the shell around the core,
`replicator` sends a follower its orders, `store` is the log on disk, `wiring` has the running
parts. Other rooms reach it over HTTP only. It may import `web`, `runtime`, `protocol`, `core`,
`clock` and `topology`.
"""
