"""A taken port is named before anything is started on it."""

import socket
import threading

import pytest

from bazaar.cluster.ports import (
    PortTaken,
    check_free,
    free_ports,
    free_topology,
    is_open,
    reserve,
)
from bazaar.topology import Node, local


def node(host: str = "127.0.0.1") -> Node:
    served, control = free_ports(2)
    return Node(id=3, host=host, port=served, control_port=control)


def test_a_free_topology_is_the_local_one_on_ports_of_its_own() -> None:
    found = free_topology(2, 3)
    ports = [port for _, one in found.nodes() for port in (one.port, one.control_port)]
    assert [name for name, _ in found.nodes()] == [name for name, _ in local(2, 3).nodes()]
    assert (ports.count(0), len(set(ports))) == (1, len(ports))
    assert not {1, *ports} & {one.port for _, one in local(99, 99).nodes()}


def test_free_ports_pass() -> None:
    check_free("order-3", node(), wait_s=0)


def test_a_reserved_port_is_free_for_its_own_process_only() -> None:
    """Not even while that process is down may another cluster choose it."""
    found = free_topology()
    name, mine = next(found.nodes())
    with reserve(found):
        for _ in range(2):
            check_free(name, mine, wait_s=0)
            with socket.create_server(mine.address):
                client = socket.create_connection(mine.address)
                client.close()
            assert not is_open(mine.address)
        with pytest.raises(OSError, match="in use"), socket.socket() as other:
            other.bind(mine.address)
    with socket.socket() as other:
        other.bind(mine.address)


@pytest.mark.parametrize("which", ["address", "control_address"])
def test_a_taken_port_is_named_with_its_role_and_the_file(which: str) -> None:
    mine = node()
    address = getattr(mine, which)
    with socket.create_server(address), pytest.raises(PortTaken) as caught:
        check_free("order-3", mine, wait_s=0)
    for word in ("order-3", str(address[1]), "BAZAAR_CLUSTER", "another process"):
        assert word in str(caught.value)


def test_a_port_that_is_just_being_freed_is_waited_for() -> None:
    mine = node()
    server = socket.create_server(mine.address)
    timer = threading.Timer(0.2, server.close)
    timer.start()
    check_free("order-3", mine, wait_s=10)
    timer.join()


def test_connections_that_linger_are_no_obstacle() -> None:
    mine = node()
    with socket.create_server(mine.address) as server:
        client = socket.create_connection(mine.address)
        accepted, _ = server.accept()
        accepted.close()  # this side waits in TIME_WAIT
        client.close()
    check_free("order-3", mine, wait_s=0)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(PortTaken, match="not one of this machine"):
        check_free("order-3", node(host="192.0.2.1"), wait_s=0)
