"""
What travels between the processes of a cluster (docs/PROTOCOL.md).

`messages`, `statuses` and `stored_rows` are the bodies, `errors` the failures on the wire,
`process_end` how one is ended, `signing` the proof of membership, `tracing` the ids of requests and
their spans, `clients` one typed client per role (on `member_client`), `cluster_report` how well a
cluster is by its statuses. Below them are `transport` (pooled connections), `connection` (a
socket), `resolver` (names), `tls` (certificates) and `http1` (parsing and packing). `endpoints` and
`examples` are what a port lists of itself. Other packages use all of these but `connection` and
`resolver`. This package may import `core`, `clock` and `topology`.
"""
