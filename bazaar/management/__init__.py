"""
The management commands: each parses its arguments, then calls the package that does the work.

`one_line` is their base; `client` is what `manage.py client` does. Nothing imports this package.
May import everything below it: `bazaar.loadtest`, `bazaar.proof`, `bazaar.cluster` and the rest.
"""
