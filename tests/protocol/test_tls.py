"""TLS contexts follow their files, and calls to members are made with them."""

import select
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bazaar.core.failures import Unreachable
from bazaar.protocol import tls
from bazaar.protocol.transport import HttpTransport
from bazaar.web.dispatch import Admission, LaneLimits, PlainService
from bazaar.web.endpoint import Lane
from bazaar.web.listeners import open_port
from bazaar.web.server import FindContext, HttpServer
from bazaar.web.server_limits import ServerLimits
from tests.support.certificates import HOST, OTHER, Certificates
from tests.support.waits import WAIT_S, in_thread

BIG_BYTES = 300_000
"""Many TLS records."""
Serve = Callable[..., HttpTransport]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Certificates]:
    """Return files that this process uses until the test is over."""
    made = Certificates(tmp_path)
    tls.use_tls(made.paths)
    yield made
    tls.use_tls(None)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Run a server that echoes bodies; return a transport to it."""
    ending: list[Callable[[], object]] = []

    def echo(environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
        body = environ["wsgi.input"].read()  # type: ignore[attr-defined]
        start("200 OK", [("Content-Type", "text/plain")])
        return [body * 2]

    def start(find_tls: FindContext | None, **limits: float) -> HttpTransport:
        service = PlainService(echo, Admission(body_bytes_max=BIG_BYTES))
        told = ServerLimits(grace_s=0.1, **limits)  # type: ignore[arg-type]
        server = HttpServer(
            *(service, [open_port(HOST, 0)], told),
            {Lane.LOCAL: LaneLimits(4, 4)},
        )
        if find_tls is not None:
            server.use_tls(find_tls)
        ended = in_thread(server.run)
        client = HttpTransport((HOST, server.port), "order-2", b"s" * 32, lambda: 1.0)
        ending.extend((client.close, server.stop, lambda: ended.result(WAIT_S)))
        return client

    yield start
    for end in ending:
        end()


def test_big_requests_and_answers_pass_whole(files: Certificates, serve: Serve) -> None:
    contexts = files.contexts()
    client = serve(lambda: contexts.server(is_for_members=True))
    for count in (1, 16_384, 16_385, BIG_BYTES):
        reply = client.call("POST", "/a", b"x" * count, timeout_s=WAIT_S)
        assert (reply.status, reply.body == b"x" * 2 * count) == (200, True)


def test_an_answer_is_taken_without_a_wait(files: Certificates, serve: Serve) -> None:
    contexts = files.contexts()
    client = serve(lambda: contexts.server(is_for_members=True))
    client.call("GET", "/a", timeout_s=WAIT_S)
    pending = client.begin("POST", "/a", b"x" * BIG_BYTES, lambda reply: len(reply.body))
    assert pending is not None
    taken = None
    while taken is None:
        taken = pending.take()
    assert taken == 2 * BIG_BYTES


def test_a_host_with_the_certificate_of_another_is_refused(
    files: Certificates, serve: Serve
) -> None:
    files.renew(OTHER)
    contexts = files.contexts()
    client = serve(lambda: contexts.server(is_for_members=True))
    with pytest.raises(Unreachable, match="certificate is not valid for"):
        client.call("GET", "/a", timeout_s=WAIT_S)


def test_a_server_of_another_ca_is_refused(
    files: Certificates, serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "foreign").mkdir()
    foreign = Certificates(tmp_path / "foreign").contexts()
    client = serve(lambda: foreign.server(is_for_members=False))
    with pytest.raises(Unreachable, match="certificate verify failed"):
        client.call("GET", "/a", timeout_s=WAIT_S)


def test_a_server_without_tls_is_no_member(files: Certificates, serve: Serve) -> None:
    client = serve(None)
    with pytest.raises(Unreachable, match="did not answer"):
        client.call("GET", "/a", timeout_s=WAIT_S)


def test_a_kept_connection_that_the_server_ended_is_replaced_quietly(
    files: Certificates, serve: Serve
) -> None:
    contexts = files.contexts()
    client = serve(lambda: contexts.server(is_for_members=True), idle_s=0.2)
    client.call("GET", "/a", timeout_s=WAIT_S)
    (kept,) = client._idle
    assert kept.sock is not None
    assert select.select([kept.sock], [], [], WAIT_S)[0], "the server has ended it"
    assert client.call("POST", "/a", b"x", timeout_s=WAIT_S).body == b"xx"


def test_after_its_last_answer_a_port_sends_nothing_in_the_clear(
    files: Certificates, serve: Serve
) -> None:
    """The other side may still send; a refusal of that must not leave as it is."""
    contexts = files.contexts()
    client = serve(lambda: contexts.server(is_for_members=False))
    with socket.create_connection(client.address, WAIT_S) as plain:
        ours = ssl.MemoryBIO()
        theirs = ssl.MemoryBIO()
        talk = files.caller().wrap_bio(theirs, ours, server_hostname=HOST)
        for step in (talk.do_handshake, lambda: talk.write(b"BAD\r\n\r\nGET / HTTP/1.1\r\n\r\n")):
            while True:
                try:
                    step()
                    break
                except ssl.SSLWantReadError:
                    plain.sendall(ours.read())
                    theirs.write(plain.recv(65536))
        plain.sendall(ours.read())
        received = b""
        while chunk := plain.recv(65536):
            received += chunk
    assert received, "an answer, in TLS"
    assert b"HTTP" not in received


def test_new_files_are_taken_up_once_they_fit_together(files: Certificates) -> None:
    contexts = files.contexts()
    before = contexts.client
    assert contexts.client is before
    old_key = files.paths.key.read_bytes()
    files.renew()
    new_key = files.paths.key.read_bytes()
    files.paths.key.write_bytes(old_key)
    assert contexts.client is before
    assert "key values mismatch" in contexts.fault.lower().replace("_", " ")
    files.paths.key.unlink()
    assert contexts.client is before
    assert "No such file" in contexts.fault
    files.paths.key.write_bytes(new_key)
    assert contexts.client is not before
    assert contexts.fault == ""


def test_public_ports_ask_no_certificate_of_anybody(files: Certificates) -> None:
    contexts = files.contexts()
    assert contexts.server(is_for_members=True).verify_mode is ssl.CERT_REQUIRED
    assert contexts.server(is_for_members=False).verify_mode is ssl.CERT_NONE
    assert contexts.client.check_hostname
