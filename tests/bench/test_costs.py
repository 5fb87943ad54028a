"""Stacks of a profiler become costs of functions."""

from collections import Counter

from bazaar.settings.env import ROOT
from bench.costs import OTHER, Profile, read

STACKS = f"""\
main (/usr/lib/python3.11/threading.py:5);place ({ROOT}/order_app/services.py:10) 3
main (/usr/lib/python3.11/threading.py:5);place ({ROOT}/order_app/services.py:12);dumps (x.py:1) 4
place ({ROOT}/order_app/services.py:10);sign ({ROOT}/bazaar/protocol/signing.py:7) 2
run (/usr/lib/python3/granian/worker.py:1) 1
"""


def test_a_sample_counts_for_the_innermost_function_of_ours() -> None:
    assert read(STACKS) == Counter(
        {"place (order_app/services.py)": 7, "sign (bazaar/protocol/signing.py)": 2, OTHER: 1}
    )


def test_a_cost_is_its_part_of_the_processor_time_of_a_trade() -> None:
    found = Profile("order-3", 1, 500.0, read(STACKS)).largest(2)
    assert [(text, round(part, 3), round(cost)) for text, part, cost in found] == [
        ("place (order_app/services.py)", 0.7, 350),
        ("sign (bazaar/protocol/signing.py)", 0.2, 100),
    ]
