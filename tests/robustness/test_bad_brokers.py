"""Brokers that cannot be reached: one clear line that says what to check, and no password in it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from support.refusals import SECRET, UNREACHABLE, Terminal, listing, refusal

from jobs.errors import BrokerUnreachable
from workers.messaging import broker

ADDRESSES = [
    f"redis://user:{SECRET}@127.0.0.1:1",
    f"redis://{SECRET}:x@127.0.0.1:1",
    f"redis://:{SECRET}@host:notaport",
    f"redis://:{SECRET}@127.0.0.1:99999",
    f"redis://:{SECRET}@127.0.0.1:0",
    f"redis://:{SECRET}@[::1",
    f"redis://:{SECRET}@127.0.0.1:1/db",
    f"redis://u:{SECRET}/x@127.0.0.1:1",
    f"redis://u:x#{SECRET}@127.0.0.1:1",
    f"redis://u:x?{SECRET}@127.0.0.1:1",
    f"redis://u:{SECRET}@",
    f"redis://u:{SECRET}",
    f"redis://:x@{SECRET}@127.0.0.1:1",
    f"redis://{SECRET}@127.0.0.1:1",
    f"redis://127.0.0.1:1?password={SECRET}",
    f"redis://127.0.0.1:1?password=a@{SECRET}",
    f"redis://127.0.0.1:1?{SECRET}",
    f"redis://u:{SECRET}@127.0.0.1:1;redis://v:{SECRET}@127.0.0.1:2",
    f"redis://u:{SECRET}%zz@127.0.0.1:1",
    f"rediss://u:{SECRET}@127.0.0.1:1?ssl_cert_reqs={SECRET}",
    f"redis+socket:///nowhere/r.sock?password={SECRET}",
    f"redis+socket://:{SECRET}@/nowhere",
    f"REDIS://u:{SECRET}@127.0.0.1:1",
    f"u:{SECRET}@127.0.0.1:1",
    f"redis:u:{SECRET}@127.0.0.1",
    f"://u:{SECRET}@x",
    f"amqp://u:{SECRET}@127.0.0.1:1//",
    f"redis\n://u:{SECRET}@x",
    "redis+socket://",
    "redis+socket:///etc/hostname",
    "redis+socket://" + "/x" * 200,
    "redis://?",
    "redis://\udcff:1",
    "redis://" + "a" * 300 + ":1",
    "redis://a b:1",
    "redis://127.0.0.1:1?max_connections=many",
    "redis://[::1]:1",
    "\x1b[31mredis://",
    "file:///etc/passwd",
    "127.0.0.1:6379",
    "@",
]
COMMANDS = (
    ("submit", "--backbone", "scratch"),
    ("up",),
    ("worker",),
    ("flower", "--port", "50999"),
    ("doctor", "--json"),
)

ANSWERS = {
    "nothing": None,
    "the end": b"",
    "a web server": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no rights": b"-NOAUTH Authentication required.\r\n",
    "a wrong password": f"-WRONGPASS {SECRET}\r\n".encode(),
    "an error": b"-ERR unknown command\r\n",
    "still loading": b"-LOADING Redis is loading\r\n",
    "protected": b"-DENIED Redis is running in protected mode\r\n",
    "an endless answer": b"$999999999999\r\n",
    "an endless list": b"*99999999\r\n",
    "bytes": b"\xff\xfe\0\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9\r\n",
}


def test_no_message_shows_user_or_password_of_an_address_whatever_is_wrong_with_it() -> None:
    """One line names the variable; of an address that can be meant, host and port at most."""
    for address in ADDRESSES:
        line = refusal(BrokerUnreachable, broker.ping, address)

        assert "ORCH_BROKER_URL" in line, address


@pytest.mark.parametrize(
    "address", [f"redis://:{SECRET}@host:notaport", "redis://\udcff:1", f"redis\n://u:{SECRET}@x"]
)
def test_submit_refuses_a_broker_that_cannot_be_reached(address: str, terminal: Terminal) -> None:
    """Exit code 2, one line without the password, and nothing written."""
    line = terminal.refuses(COMMANDS[0], "broker", ORCH_BROKER_URL=address)

    assert "ORCH_BROKER_URL" in line


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_no_command_shows_the_password_of_the_broker(
    command: tuple[str, ...], terminal: Terminal
) -> None:
    """Nor does any leave a store behind when the broker is out of reach."""
    terminal.patch.setenv("ORCH_BROKER_URL", UNREACHABLE)
    before = listing(terminal.folder)

    code, stdout, stderr = terminal.run(*command)

    assert code == {"doctor": 1, "worker": 75}.get(command[0], 2)
    assert "no broker answers at 127.0.0.1:1 " in stdout + stderr
    assert "user" not in stdout + stderr
    assert SECRET not in stdout + stderr
    assert listing(terminal.folder) == before


@pytest.fixture
def stranger() -> Iterator[Callable[[bytes | None], int]]:
    """Something that listens and answers every word with the same bytes: its port."""
    lines: list[socket.socket] = []

    def serve(line: socket.socket, answer: bytes | None) -> None:
        try:
            while answer is not None and line.recv(4096) and answer:
                line.sendall(answer)
        except OSError:
            return
        finally:
            if answer is not None:
                line.close()

    def listen(answer: bytes | None) -> int:
        listening = socket.create_server(("127.0.0.1", 0))
        lines.append(listening)

        def accept() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                lines.append(line)
                threading.Thread(target=serve, args=(line, answer), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return int(listening.getsockname()[1])

    yield listen
    for line in lines:
        line.close()


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_what_listens_and_is_no_redis_is_no_broker(
    scheme: str, answer: bytes | None, stranger: Callable[[bytes | None], int]
) -> None:
    """Neither silence nor any answer keeps the request waiting, and none is repeated in
    the error.
    """
    with pytest.raises(BrokerUnreachable, match=r"Check ORCH_BROKER_URL") as caught:
        broker.ping(f"{scheme}://user:{SECRET}@127.0.0.1:{stranger(answer)}/0", timeout_s=0.3)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "answer", [b"-NOAUTH Authentication required.\r\n", b"-WRONGPASS invalid pair\r\n"]
)
def test_a_broker_that_refuses_the_password_is_not_called_silent(
    answer: bytes, stranger: Callable[[bytes | None], int]
) -> None:
    """Redis runs; looking for it would be the wrong advice."""
    with pytest.raises(BrokerUnreachable, match="refuses the password, or wants one") as caught:
        broker.ping(f"redis://user:{SECRET}@127.0.0.1:{stranger(answer)}/0", timeout_s=1)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("query", ["?virtual_host=99999", "?password=" + SECRET])
def test_a_real_redis_that_refuses_is_no_broker(redis_url: str, query: str) -> None:
    """A data base that it has not, a password that it does not know."""
    try:
        broker.ping(redis_url + query)
    except BrokerUnreachable as error:
        said = str(error)
    else:
        said = ""

    assert SECRET not in said
    assert "password" in query or "It has not the database" in said
