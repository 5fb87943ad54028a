"""
The same service in plain Flask, to be measured beside ours.

Threads, lists, dicts, locks, text files, and one `requests` call per hop and trade. It speaks the
seed dialect (docs/DESIGN.md 6). It is neither durable (nothing is flushed to the disk) nor safe (no
keys, no terms; a crash between two hops loses or doubles a trade), and not slowed on purpose.
"""
