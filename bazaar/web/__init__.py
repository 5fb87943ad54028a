"""
What every HTTP port shares, from the endpoint to the control server.

An `Endpoint` is one path, described once. The `Router` answers programs from it before Django is
asked; browsers get the same endpoint through one DRF view (`view`), as a page with forms. Rooms
import `endpoint`, `decoding` and `errors` for their tables, and `urlconf` makes a URLconf of a
table. This package may import `runtime`, `protocol`, `core`, `clock` and `topology`, and no room.
"""
