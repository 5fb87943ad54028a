"""
The load test: loads a cluster, breaks it meanwhile, and proves its promises.

`manage.py loadtest` and `bench` use it, and tests of clusters use its clients. `options` reads the
command, `run` leads a run, `engine` and `driver` send from processes of their own (`worker`),
`chaos` injects faults, `prove` audits; `report` draws, `evaluate` measures clusters of its own. It
may import `proof`, `cluster` and everything below.
"""
