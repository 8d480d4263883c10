"""What is wrong with the broker's address, or with what answers there, in one line."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError

from jobs.errors import BrokerUnreachable
from workers.messaging import address, broker

SECRET = "s3cr3tword"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, with its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *names], cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture
def tls_port(certificate: Path, redis_url: str) -> Iterator[int]:
    """A port where the tests' Redis answers through TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    listening = socket.create_server(("localhost", 0))
    lines: list[socket.socket] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass

    def serve() -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            try:
                outer = context.wrap_socket(line, server_side=True)
            except OSError:
                continue
            inner = socket.socket(socket.AF_UNIX)
            inner.connect(redis_url.removeprefix("redis+socket://"))
            lines.extend((outer, inner))
            for pair in ((outer, inner), (inner, outer)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield int(listening.getsockname()[1])
    listening.close()
    for line in lines:
        line.close()


@pytest.mark.parametrize(
    ("options", "host", "refusal"),
    [
        ("", "localhost", "self-signed certificate"),
        ("?ssl_ca_certs={}", "localhost", None),
        ("?ssl_ca_certs={}&ssl_cert_reqs=required", "localhost", None),
        ("?ssl_ca_certs={}", "127.0.0.1", "not valid for '127.0.0.1'"),
        ("?ssl_ca_certs={}&ssl_check_hostname=false", "127.0.0.1", None),
        ("?ssl_cert_reqs=none", "127.0.0.1", None),
    ],
)
def test_the_certificate_and_its_host_are_verified_unless_the_address_says_otherwise(
    options: str, host: str, refusal: str | None, tls_port: int, certificate: Path
) -> None:
    """With the address alone, as deploy/systemd/worker.env.example shows it."""
    url = f"rediss://{host}:{tls_port}/0{options.format(certificate)}"
    said = ""
    try:
        broker.ping(url)
    except BrokerUnreachable as error:
        said = str(error)

    assert said == "" if refusal is None else "certificate" in said
    assert (refusal or "") in said


def test_every_connection_of_a_worker_verifies_the_certificate(tls_port: int) -> None:
    """Celery's own too: sending, receiving, Flower."""
    url = f"rediss://localhost:{tls_port}/0"
    application = broker.app(url, "0123456789ab")
    with (
        application.connection_for_read() as connection,
        pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        connection.ensure_connection(max_retries=0)

    assert application.conf.broker_use_ssl == {"ssl_cert_reqs": "required"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"redis://:{SECRET}#1@host/0", "'#' that is not encoded"),
        (f"redis://:{SECRET}/1@host/0", "'/' that is not encoded"),
        (f"rediss://:{SECRET}?1@host/0", "'?' that is not encoded"),
        (f"redis://:{SECRET}@host/zero", "database that is no number"),
        (f"redis+socket:///run/{SECRET}/r.sock?virtual_host=x", "database that is no number"),
        (f"redis://:{SECRET}@host:port/0", "port is no number"),
        (f"rediss://:{SECRET}@host/0?ssl_cert_reqs=maybe", "required, optional or none"),
        (f"rediss://:{SECRET}@host/0?ssl_ca_certs=/no/such.pem", "/no/such.pem, where no file is"),
        ("http://host", "begins with none of redis://"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused_before_any_connection(
    url: str, words: str
) -> None:
    """The part that is wrong is named, and no password shown."""
    with pytest.raises(BrokerUnreachable, match=words) as caught:
        address.checked(url)

    assert SECRET not in str(caught.value).replace(f"/run/{SECRET}/", "")


@pytest.mark.parametrize(
    "url",
    [
        "redis://:p%40ss%23w%2F1@host:6379/0",
        "redis://host",
        "redis+socket:///run/user@1/r.sock?virtual_host=3",
        "rediss://host/0?ssl_cert_reqs=none&ssl_ca_certs=",
        "redis://me:pw@[::1]:6379/2",
    ],
)
def test_addresses_that_can_be_meant_are_taken(url: str) -> None:
    """Encoded characters, sockets, IPv6."""
    if url.endswith("ssl_ca_certs="):
        url = url.removesuffix("&ssl_ca_certs=")

    assert address.checked(url) == url


def test_an_at_sign_in_a_password_is_named_when_the_broker_does_not_answer() -> None:
    """It may be what is wrong: the host begins after the last one."""
    with pytest.raises(BrokerUnreachable, match="write %40 for it"):
        broker.ping(f"redis://:{SECRET}@x@127.0.0.1:1/0", timeout_s=1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "loading the dataset"),
        (b"-MISCONF Errors writing to the AOF file: No space left\r\n", "MISCONF Errors writing"),
        (b"-NOPERM this user has no permissions to run it\r\n", "no permissions to run it"),
        (b"-ERR max number of clients reached\r\n", "max number of clients reached"),
    ],
)
def test_what_redis_answers_is_shown(
    answer: bytes, words: str, answering: Callable[[bytes], int]
) -> None:
    """A broker that answers is not said to be silent."""
    with pytest.raises(BrokerUnreachable, match=words) as caught:
        broker.ping(f"redis://:{SECRET}@127.0.0.1:{answering(answer)}/0", timeout_s=1)

    assert "no broker answers" not in str(caught.value)


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], int]]:
    """Listen on a port and give one answer to whatever is said."""
    lines: list[socket.socket] = []

    def serve(listening: socket.socket, answer: bytes) -> None:
        try:
            while True:
                line, _ = listening.accept()
                lines.append(line)
                while line.recv(4096):
                    line.sendall(answer)
        except OSError:
            return

    def listen(answer: bytes) -> int:
        lines.append(listening := socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=serve, args=(listening, answer), daemon=True).start()
        return int(listening.getsockname()[1])

    yield listen
    for line in lines:
        line.close()


def test_a_database_out_of_range_is_named(redis_url: str) -> None:
    """In Redis's own words."""
    with pytest.raises(BrokerUnreachable, match="DB index is out of range"):
        broker.ping(f"{redis_url}?virtual_host=99")
