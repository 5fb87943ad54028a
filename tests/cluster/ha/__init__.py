"""
`make ha`: one cluster on three hosts, and everything that may happen to a host.

Each host has a node of a database engine, a catalog, an order replica and a front end. As root each
is a network namespace, whose links can be cut; else it is an address of loopback.
"""
