"""
The management commands: they parse arguments, then call other packages.

`one_line` is their base; `client` is what `manage.py client` does. Nothing imports this package.
May import everything below it: `bazaar.loadtest`, `bazaar.proof`, `bazaar.cluster` and the rest.
"""
