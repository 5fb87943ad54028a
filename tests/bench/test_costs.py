"""Stacks of a profiler become costs of functions."""

from collections import Counter

from bazaar.settings.env import ROOT
from bench.costs import OTHER, Profile, read, rows

STACKS = f"""\
main (/usr/lib/python3.11/threading.py:5);place ({ROOT}/order_app/services.py:10) 3
main (/usr/lib/python3.11/threading.py:5);place ({ROOT}/order_app/services.py:12);dumps (x.py:1) 4
place ({ROOT}/order_app/services.py:10);sign ({ROOT}/bazaar/protocol/signing.py:7) 2
run (/usr/lib/python3/granian/worker.py:1) 1
torn (
"""


def test_a_sample_counts_for_the_innermost_function_of_ours() -> None:
    assert read(STACKS) == Counter(
        {"place (order_app/services.py)": 7, "sign (bazaar/protocol/signing.py)": 2, OTHER: 1}
    )


def test_a_sample_stands_for_its_part_of_a_trade() -> None:
    profile = Profile("order-3", 1, 500.0, 100.0, sample_us=30.0, samples=read(STACKS))
    assert list(rows(profile, 2)) == [
        ["1", "order-3", "500", "100", "300", "210.0", "place (order_app/services.py)"],
        ["", "", "", "", "", "60.0", "sign (bazaar/protocol/signing.py)"],
    ]
