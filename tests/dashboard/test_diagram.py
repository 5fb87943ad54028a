"""The drawing of the cluster: one box a process, one line a link, each with its state."""

from typing import Any

from msgspec.structs import replace

from dashboard.cluster_view import ClusterView
from dashboard.diagram import Diagram, draw
from tests.dashboard.statuses import catalog, front_end, replica, result


def draw_cluster(**changes: Any) -> Diagram:
    """Draw a cluster that replica 2 leads with replica 3 in sync; None: it does not answer."""
    statuses = {
        "catalog": catalog(),
        "order_1": replica(1),
        "order_2": replace(replica(2), in_sync=(2, 3)),
        "order_3": replica(3),
        "frontend_1": front_end(),
        **changes,
    }
    results = [result(name.replace("_", "-"), status) for name, status in statuses.items()]
    return draw(ClusterView(results, 1.0))


def test_each_process_has_a_box_and_the_leader_is_beside_the_catalog() -> None:
    diagram = draw_cluster(order_3=None)
    assert {box.name: (box.state, box.note) for box in diagram.boxes} == {
        "frontend-1": ("good", "follows term 3"),
        "order-2": ("leader", "leader, term 3"),
        "catalog": ("good", "order 9"),
        "order-1": ("good", "order 9"),
        "order-3": ("bad", "not running"),
    }
    places = {box.name: (box.x, box.y) for box in diagram.boxes}
    assert places["order-2"][1] == places["catalog"][1] < places["order-1"][1]
    assert places["order-2"][0] < places["catalog"][0]
    assert len(set(places.values())) == 5


def test_each_link_has_a_line_with_its_state() -> None:
    lines = draw_cluster(order_3=None).lines
    assert [(line.label, line.state) for line in lines] == [
        ("not in sync", "warn"),
        ("trades", "good"),
        ("in sync", "bad"),
        ("leases, stocks", "good"),
        ("trades", "good"),
    ]


def test_a_killed_and_a_paused_process_look_different() -> None:
    results = [result("order-1", None), result("order-2", None, is_refused=False)]
    killed, paused = draw(ClusterView(results, 1.0)).boxes
    assert (killed.state, paused.state) == ("bad", "silent")
    assert (killed.note, paused.note) == ("not running", "paused or cut off")


def test_with_all_replicas_dead_nobody_leads_and_no_line_leads_to_one() -> None:
    """The catalog still remembers the last leader."""
    diagram = draw_cluster(order_1=None, order_2=None, order_3=None)
    assert [line.label for line in diagram.lines] == ["leases, stocks"]
    assert "leader" not in {box.state for box in diagram.boxes}


def test_without_a_leader_there_are_lines_to_the_catalog_only() -> None:
    nobody = {f"order_{number}": replica(number, leader=None) for number in (1, 2, 3)}
    diagram = draw_cluster(catalog=catalog(leader=None), **nobody)
    assert [line.label for line in diagram.lines] == ["leases, stocks"]
