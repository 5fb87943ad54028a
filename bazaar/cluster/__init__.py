"""
Run and operate a host's part of a cluster: what `manage.py cluster` does.

- make it: `hosts` (which part is ours), `init`, `cluster_secret`, `certificates`, `data_dir`,
  `databases`, `supervisor_config`; `launch` is one process
- run it: `up`, `starting`, `stopping`, `locks`, `parent_death`, `ports`
- keep its data: `backup`, `sequence_file` (a database file verified), `only_copy`
- observe it and act on it: `operations.Cluster`, `snapshot`, `events`, `logs`, `tables`
- `temporary`: a throw-away cluster for tests, measurements and evaluations
- `arguments`, `exits`: what all commands share: reading arguments, how they end

`bazaar.proof`, `bazaar.loadtest`, `bazaar.management`, tests and bench may import all of it. Only
`fault_injection` imports a role (the dashboard); nothing else here imports one. May import
`bazaar.web` and all below it, and `bazaar.settings.env`.
"""
