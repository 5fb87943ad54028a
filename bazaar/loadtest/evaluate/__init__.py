"""
`manage.py loadtest evaluate`: measures throw-away clusters, writes a page.

Only the command imports it. It may import the load test and everything below.
"""
