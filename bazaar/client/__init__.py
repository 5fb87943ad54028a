"""
The public Python client of the bazaar; it needs no Django.

`client.Client` is what users import, with the values and errors of `answers`. `exchange` (calls and
retries), `client_dialects` (a table), `reading` (bytes to values) and `front_end_url` do no I/O, so
the load generator uses them with sockets of its own. Every package above may import all of it. May
import `bazaar.clock`, `bazaar.core` and `bazaar.protocol`.
"""
