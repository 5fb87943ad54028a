"""
The front end: answers from a coherent cache, forwards trades to the leader.

`views` has the table of endpoints and `wiring` the running parts; only `bazaar.urls` and the
settings name them. It may import `bazaar.web` and everything below, and no other room.
"""
