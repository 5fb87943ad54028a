"""
What every process shares while it runs.

`loops` runs flows and rounds, `group_commit` batches what waits, `transactions` and `order_table`
are plain SQL, `database` checks the database, `metrics` counts requests and records events,
`log_lines` writes them, `span_export` sends spans to a collector. `web` and the rooms use all of
it. This package may import `protocol`, `core`, `clock` and `topology`.
"""
