"""
`manage.py loadtest evaluate`: measures clusters of its own and writes a page with plots.

Only the command imports it. It may import the load test and everything below.
"""
