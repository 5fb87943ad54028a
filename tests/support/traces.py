"""A trade that was sent twice, as a front end tells it."""

from bazaar.protocol.traces import TraceProcess, TraceStep, TradeTrace


def step(
    no: int, kind: str, process: str, at_ms: float, end_ms: float, **more: object
) -> TraceStep:
    """Return a step; more: its other fields."""
    return TraceStep(
        no=no,
        kind=kind,  # type: ignore[arg-type]
        process=process,
        at_ms=at_ms,
        end_ms=end_ms,
        **{"text": f"text {no}", **more},  # type: ignore[arg-type]
    )


TRACE = TradeTrace(
    idempotency_key="6f1c2e9a-8d34-4b0f-9a57-1e2d3c4b5a69",
    order_no=7,
    outcome="placed, status 200",
    began_s=1_700_000_000.0,
    took_ms=161.0,
    trace_ids=("t",),
    processes=(
        TraceProcess(name="frontend-1"),
        TraceProcess(name="order-3", reason="<refused>"),
        TraceProcess(name="order-2", offset_ms=-12.5),
        TraceProcess(name="order-1", reason="away"),
    ),
    steps=(
        step(1, "request", "frontend-1", 0, 161),
        step(2, "wait", "frontend-1", 0, 0.5),
        step(3, "message", "frontend-1", 1, 100, to="order-3", error="reset\n<by> peer"),
        step(
            4, "message", "frontend-1", 150, 160, to="order-2", received_ms=151.0, answered_ms=159.0
        ),
        step(5, "moment", "order-2", 158, 158, is_durable=True),
        step(6, "moment", "frontend-1", 161, 161),
    ),
)
