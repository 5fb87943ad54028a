"""TLS contexts follow their files, and calls to members are made with them."""

import functools
import re
import select
import shutil
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from bazaar import topology
from bazaar.client.answers import BadAnswer, NoAnswer
from bazaar.client.client import Client
from bazaar.client.exchange import Timeouts
from bazaar.cluster.arguments import list_urls
from bazaar.cluster.certificates import CA, CA_KEY, make_certificates
from bazaar.cluster.data_dir import write_whole
from bazaar.cluster.exits import ClusterError
from bazaar.core.failures import Unreachable
from bazaar.protocol import tls
from bazaar.protocol.transport import HttpTransport
from bazaar.topology import TlsFiles
from bazaar.web.dispatch import Admission, LaneLimits, PlainService
from bazaar.web.endpoint import Lane
from bazaar.web.listeners import open_port
from bazaar.web.server import FindContext, HttpServer
from bazaar.web.server_limits import ServerLimits
from tests.support.certificates import HOST, OTHER, Certificates
from tests.support.waits import WAIT_S, in_thread

BIG_BYTES = 300_000
PIECES_BYTES = 50_000
"""Taken at once, and answered in several records."""
"""Many TLS records."""
RESET = struct.pack("ii", 1, 0)
"""Close at once, and drop what was not sent."""
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
    pending = client.begin("POST", "/a", b"x" * PIECES_BYTES, lambda reply: len(reply.body))
    assert pending is not None
    taken = None
    while taken is None:
        taken = pending.take()
    assert taken == 2 * PIECES_BYTES


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


def test_a_kept_connection_that_was_reset_is_replaced_quietly(files: Certificates) -> None:
    context = files.contexts().server(is_for_members=True)

    def answer_twice(listener: socket.socket) -> None:
        for _ in range(2):
            sock, _address = listener.accept()
            sock.settimeout(WAIT_S)
            with context.wrap_socket(sock, server_side=True) as secured:
                secured.recv(65536)
                secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
                secured.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(WAIT_S)
        ended = in_thread(lambda: answer_twice(listener))
        client = HttpTransport(listener.getsockname(), "order-2", b"s" * 32, lambda: 1.0)
        assert client.call("GET", "/a", timeout_s=WAIT_S).body == b"x"
        (kept,) = client._idle
        assert kept.sock is not None
        assert select.select([kept.sock], [], [], WAIT_S)[0], "it was reset"
        assert client.call("GET", "/a", timeout_s=WAIT_S).body == b"x"
        ended.result(WAIT_S)
        client.close()


def test_new_files_are_taken_up_once_they_fit_together(
    files: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    contexts = files.contexts()
    before = contexts.client
    assert contexts.client is before
    old_key = files.paths.key.read_bytes()
    files.renew()
    new_key = files.paths.key.read_bytes()
    files.paths.key.write_bytes(old_key)
    assert contexts.client is before
    assert contexts.client is before
    assert len(caplog.messages) == 1, "said once"
    assert "key values mismatch" in contexts.fault.lower().replace("_", " ")
    files.paths.key.unlink()
    assert contexts.client is before
    assert "No such file" in contexts.fault
    files.paths.key.write_bytes(new_key)
    assert contexts.client is not before
    assert contexts.fault == ""


def test_a_public_client_trusts_the_ca_that_is_there_now(
    files: Certificates, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dashboard has one for as long as it runs."""
    monkeypatch.setattr(tls, "LOOK_S", 0.0)
    contexts = files.contexts()
    port = serve(lambda: contexts.server(is_for_members=False)).address[1]
    with Client([f"https://{HOST}:{port}"], Timeouts(silence_s=1.0)) as client:
        with pytest.raises(BadAnswer):  # it is no front end
            client.leader()
        (tmp_path / "newer").mkdir()
        newer = Certificates(tmp_path / "newer").paths
        for name in ("certificate", "key", "ca"):
            shutil.copyfile(getattr(newer, name), getattr(files.paths, name))
        client.close()  # what it has kept goes on
        with pytest.raises(BadAnswer):
            client.leader()


def test_a_command_that_is_given_a_url_trusts_the_ca_of_its_data_folder(
    files: Certificates, serve: Serve, tmp_path: Path
) -> None:
    """Without the folder it says what to name."""
    contexts = files.contexts()
    port = serve(lambda: contexts.server(is_for_members=False)).address[1]
    paths, data = files.paths, tmp_path / "data"
    data.mkdir()
    named = TlsFiles(certificate=str(paths.certificate), key=str(paths.key), ca=str(paths.ca))
    described = msgspec.structs.replace(Certificates.describe(), tls=named)
    tls.use_tls(None)

    def ask() -> None:
        urls = list_urls({"BAZAAR_DATA_DIR": str(data)}, [f"https://{HOST}:{port}"])
        with Client(urls, Timeouts(silence_s=0.1)) as client:
            client.leader()

    with pytest.raises(NoAnswer, match=r"certificate.* --data"):
        ask()
    (data / "cluster.toml").write_text(topology.dump(described))
    with pytest.raises(BadAnswer):  # it is no front end
        ask()


@pytest.mark.parametrize("name", ["ca", "certificate", "key"])
def test_a_file_that_cannot_be_used_is_named(files: Certificates, name: str) -> None:
    path = getattr(files.paths, name)
    content = path.read_bytes()
    for spoil in (lambda: path.write_text("nothing"), path.unlink):
        spoil()
        with pytest.raises(OSError, match=re.escape(str(path))):
            files.contexts()
    path.write_bytes(content)
    files.contexts()


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(files: Certificates) -> None:
    key = load_pem_private_key(files.paths.key.read_bytes(), None)
    encryption = BestAvailableEncryption(b"secret")
    files.paths.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    with pytest.raises(OSError, match=r"key\.pem: the key is encrypted"):
        files.contexts()


@pytest.mark.parametrize("name", [CA, CA_KEY])
def test_a_ca_that_was_not_written_whole_is_made_by_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def write(path: Path, content: bytes, mode: int) -> None:
        if path.name == name:
            raise OSError("the power fails")
        write_whole(path, content, mode)

    make = functools.partial(make_certificates, Certificates.describe(), tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr("bazaar.cluster.certificates.write_whole", write)
        with pytest.raises(ClusterError, match="power fails"):
            list(make())
    assert list(make())
    ssl.create_default_context(cafile=tmp_path / CA)


def test_public_ports_ask_no_certificate_of_anybody(files: Certificates) -> None:
    contexts = files.contexts()
    assert contexts.server(is_for_members=True).verify_mode is ssl.CERT_REQUIRED
    assert contexts.server(is_for_members=False).verify_mode is ssl.CERT_NONE
    assert contexts.client.check_hostname
