"""
What `manage.py client` does: a terminal's view of the public client.

`session` sends calls and reports them, `simulation` trades at random, `order_file` stores the
orders and compares them with the server's, `prompt` reads modes from a person. Only the command
imports it. May import `bazaar.loadtest` and all below it.
"""
