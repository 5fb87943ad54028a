"""A cluster on three hosts with TLS: whole, provable, closed to others, renewed while it runs."""

import hashlib
import json
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from bazaar.clock import wait_until
from bazaar.cluster import exits
from bazaar.protocol.cluster_report import Health
from tests.cluster.conftest import LiveCluster
from tests.cluster.test_hosts import TRADE, manage
from tests.cluster.three_hosts import ThreeHosts, run_hosts

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
TIMEOUT_S = 20.0


@pytest.fixture(scope="module")
def _started(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[ThreeHosts]:
    with run_hosts(tmp_path_factory.mktemp("tls"), prepared, has_tls=True) as made:
        yield made


@pytest.fixture
def hosts(_started: ThreeHosts) -> ThreeHosts:
    """Return the three hosts, healthy."""
    _started.heal()
    return _started


def trust(host: LiveCluster) -> ssl.SSLContext:
    """Return what a browser has that trusts the CA of a cluster, and no certificate of its own."""
    return ssl.create_default_context(cafile=host.data.root / "tls" / "ca.pem")


def read_print(hosts: ThreeHosts, address: tuple[str, int]) -> str:
    """Return which certificate a public port shows."""
    with (
        socket.create_connection(address, TIMEOUT_S) as plain,
        trust(hosts.first).wrap_socket(plain, server_hostname=address[0]) as secured,
    ):
        return hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()


def trade(hosts: ThreeHosts, number: int) -> tuple[int, Any]:
    """Trade at the front end of a host, over TLS."""
    node = hosts.topology.front_ends[number]
    connection = HTTPSConnection(*node.address, timeout=TIMEOUT_S, context=trust(hosts.first))
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/orders", json.dumps(TRADE), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_cluster_with_tls_is_whole_and_proved(hosts: ThreeHosts) -> None:
    for host in hosts.hosts:
        assert host.status()["health"] == Health.HEALTHY
    assert trade(hosts, 1)[0] == 200
    assert manage(hosts.hosts[2], "audit").returncode == exits.OK
    load = manage(hosts.hosts[1], "loadtest", "--duration", "2s", "--clients", "4", "--quiet")
    assert load.returncode == exits.OK, load.stdout + load.stderr
    asked = manage(hosts.first, "client", "query", "MenhirCo")
    assert asked.returncode == exits.OK, asked.stderr


def ask(address: tuple[str, int], context: ssl.SSLContext | None) -> bytes:
    """Return what a port answers, without a signature; nothing when it ends the connection."""
    sock = socket.create_connection(address, TIMEOUT_S)
    try:
        if context is not None:
            secured = context.wrap_socket(
                sock, server_hostname=address[0], do_handshake_on_connect=False
            )
            sock = secured  # it is closed whatever comes of the handshake
            secured.do_handshake()
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        return sock.recv(1000)
    except OSError:
        return b""
    finally:
        sock.close()


def test_inner_ports_take_nobody_without_a_certificate(hosts: ThreeHosts) -> None:
    """Also where no signature is needed."""
    found, files = hosts.topology, hosts.hosts[1].data.root / "tls"
    inner = [
        *(found.catalog.address, found.catalog.control_address),
        *(found.replicas[1].address, found.replicas[1].control_address),
        found.front_ends[2].control_address,
    ]
    member = trust(hosts.first)
    member.load_cert_chain(files / "certificate.pem", files / "key.pem")
    for address in inner:
        assert ask(address, member).startswith(b"HTTP/1.1 200 ")
        assert ask(address, trust(hosts.first)) == b""
    assert ask(found.front_ends[2].address, trust(hosts.first)).startswith(b"HTTP/1.1 200 ")


def test_no_port_talks_without_tls(hosts: ThreeHosts) -> None:
    for _, node in hosts.topology.nodes():
        for port in filter(None, (node.port, node.control_port)):
            assert b"HTTP" not in ask((node.host, port), None)


def test_certificates_are_renewed_without_a_restart(hosts: ThreeHosts) -> None:
    node = hosts.topology.front_ends[1]
    before, pid = read_print(hosts, node.address), hosts.hosts[1].view("frontend-2").pid
    hosts.certify()
    assert wait_until(lambda: read_print(hosts, node.address) != before, TIMEOUT_S)
    assert hosts.hosts[1].view("frontend-2").pid == pid
    assert trade(hosts, 1)[0] == 200
    third = hosts.hosts[2]
    third.kill("order-3")
    third.start("order-3")  # all its connections are new
    third.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)
    assert trade(hosts, 2)[0] == 200


def test_a_host_without_its_files_is_refused_in_one_sentence(hosts: ThreeHosts) -> None:
    third = hosts.hosts[2]
    (third.data.root / "tls" / "key.pem").rename(third.data.root / "key.kept")
    try:
        assert trade(hosts, 2)[0] == 200, "what runs goes on with what it has read"
        refused = third.run("status")
        assert (refused.returncode, "[tls] names" in refused.stderr) == (exits.USAGE, True)
    finally:
        (third.data.root / "key.kept").rename(third.data.root / "tls" / "key.pem")
