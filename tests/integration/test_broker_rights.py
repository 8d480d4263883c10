"""Redis with TLS and a user for each role: what each may do, and what is said where one may not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from support.guarded_redis import GuardedRedis, running, set_up

from jobs import settings
from jobs.errors import BrokerUnreachable
from jobs.task import Task
from workers.messaging import broker, messages, stores

STORE = "0123456789ab"
TASK = Task.parse("evaluate.resnet34-s0-1f3a9c2e.0010")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What deploy/redis/setup.sh makes."""
    made = tmp_path_factory.mktemp("redis")
    set_up(made)
    return made


@pytest.fixture(scope="module")
def guarded(folder: Path) -> Iterator[GuardedRedis]:
    """A Redis as it is deployed."""
    with running(folder) as started:
        yield started


def address(guarded: GuardedRedis, user: str, **others: str) -> str:
    """The broker's address as a command of this user finds it in its environment."""
    url = settings.read(guarded.variables(user) | others).broker_url
    assert url is not None
    return url


def said_of(url: str) -> str:
    """What a command says of a broker that cannot be used."""
    with pytest.raises(BrokerUnreachable) as caught:
        broker.require_writable(url, STORE)
    return str(caught.value)


def test_each_user_may_do_its_part(guarded: GuardedRedis, tmp_path: Path) -> None:
    """A controller enqueues, a worker receives, tells, and leaves; Flower asks it and hears it."""
    controller, worker = (address(guarded, user) for user in ("controller", "worker"))
    for url in (controller, worker):
        broker.require_writable(url)  # as `orch doctor` asks before there is a store
        broker.queue_length(url)
    stores.register(controller, STORE, tmp_path, "here")
    messages.enqueue(controller, [TASK], store=STORE)
    messages.enqueue(worker, [TASK], to="w1", store=STORE)
    waiting = broker.queue_length(address(guarded, "flower"), store=STORE, worker="w1")
    received = []
    application = broker.app(worker, STORE, "w1")
    with application.connection_for_read() as connection:
        for queue in application.amqp.queues.values():
            message = queue(connection.default_channel).get(no_ack=True)
            received.append(message.decode()[0])
    broker.delete_worker_queue(worker, "w1", STORE)

    assert waiting == 2
    assert received == [[TASK.id]] * 2
    assert [known.id for known in stores.others(controller, "another")] == [STORE]


FORBIDDEN: list[tuple[str, tuple[str, ...]]] = [
    *(
        (user, words)
        for user in ("worker", "controller", "flower")
        for words in (
            ("FLUSHALL",),
            ("CONFIG", "GET", "requirepass"),
            ("ACL", "LIST"),
            ("KEYS", "*"),
            ("SHUTDOWN",),
            ("MONITOR",),
            ("CLIENT", "LIST"),
            ("GET", "another"),
            ("LPUSH", "another", "x"),
            ("EVAL", "return 1", "0"),
        )
    ),
    ("worker", ("PUBLISH", f"/0.orch.{STORE}.control.pidbox", "x")),
    ("controller", ("PUBLISH", f"/0.orch.{STORE}.control.pidbox", "x")),
    ("controller", ("PUBLISH", f"/0.orch.{STORE}.events/task.failed", "x")),
    ("controller", ("BRPOP", f"orch.{STORE}", "1")),
    ("controller", ("DEL", f"orch.{STORE}")),
    ("controller", ("LRANGE", f"orch.{STORE}", "0", "-1")),
    ("controller", ("PSUBSCRIBE", "*")),
    ("flower", ("LPUSH", f"orch.{STORE}", "x")),
    ("flower", ("BRPOP", f"orch.{STORE}", "1")),
    ("flower", ("DEL", f"orch.{STORE}")),
    ("flower", ("HGETALL", "orch.stores")),
    ("flower", ("PUBLISH", f"/0.orch.{STORE}.events/task.failed", "x")),
]


@pytest.mark.parametrize(
    ("user", "words"), FORBIDDEN, ids=[f"{user} {' '.join(words)}" for user, words in FORBIDDEN]
)
def test_a_user_is_refused_what_is_not_its_part(
    guarded: GuardedRedis, user: str, words: tuple[str, ...]
) -> None:
    """By Redis itself: nobody's mistake or curiosity stops a worker or empties a queue."""
    with guarded.client(user) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*words)


def test_nobody_enters_without_a_user(guarded: GuardedRedis) -> None:
    """The default user of Redis is off."""
    url = address(guarded, "worker").replace("orch-worker@", "").split("&password_file")[0]

    assert "wants one: Authentication required" in said_of(url)


def test_a_wrong_password_says_where_it_is_kept(guarded: GuardedRedis, tmp_path: Path) -> None:
    """Neither the wrong one nor the right one is shown."""
    wrong = tmp_path / "password"
    wrong.write_text("w-r-o-n-g\n")
    said = said_of(address(guarded, "worker", ORCH_BROKER_PASSWORD_FILE=str(wrong)))

    assert "invalid username-password pair" in said
    assert f"the password in {wrong}" in said
    assert "w-r-o-n-g" not in said


def test_a_lacking_right_names_the_right_and_the_file(guarded: GuardedRedis) -> None:
    """Flower's user cannot enqueue; the message is one line."""
    said = said_of(address(guarded, "flower"))

    assert "lacks a right" in said
    assert "deploy/redis/users.acl" in said
    assert guarded.password("flower") not in said


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "is empty"),
        ("\n", "is empty"),
        ("a\nb\n", "holds more than one line"),
        ("x" * 9000, "holds more than one line"),
    ],
)
def test_a_password_file_that_cannot_be_meant_is_named(
    contents: str | None, words: str, guarded: GuardedRedis, tmp_path: Path
) -> None:
    """Before any connection."""
    named = tmp_path / "password"
    if contents is not None:
        named.write_text(contents)
    said = said_of(address(guarded, "worker", ORCH_BROKER_PASSWORD_FILE=str(named)))

    assert f"ORCH_BROKER_PASSWORD_FILE: {named} {words}" in said


@pytest.mark.parametrize("name", ["ORCH_BROKER_CA", "ORCH_BROKER_CERT", "ORCH_BROKER_KEY"])
def test_a_missing_file_of_tls_names_its_variable(name: str, guarded: GuardedRedis) -> None:
    """And the path."""
    said = said_of(address(guarded, "worker", **{name: "/no/such/file"}))

    assert f"/no/such/file, where no file is ({name})" in said


def test_files_of_tls_are_refused_with_an_address_without_it(guarded: GuardedRedis) -> None:
    """Whoever names an authority believes that the password is encrypted."""
    url = address(guarded, "worker", ORCH_BROKER_URL="redis://orch-worker@localhost:6379/0")

    assert "is without TLS, but ORCH_BROKER_CA (ssl_ca_certs) is set" in said_of(url)


def test_another_authority_is_not_believed(guarded: GuardedRedis, tmp_path: Path) -> None:
    """A second setup has an authority of its own."""
    set_up(tmp_path / "other")
    said = said_of(address(guarded, "worker", ORCH_BROKER_CA=str(tmp_path / "other" / "ca.pem")))

    assert "is not accepted" in said
    assert "ORCH_BROKER_CA" in said


def test_an_expired_certificate_is_to_be_renewed(folder: Path, tmp_path: Path) -> None:
    """And renewing it keeps the authority and the passwords that the workers have."""
    copy = tmp_path / "redis"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    set_up(copy, "--days", "-1")
    with running(copy) as expired:
        said = said_of(address(expired, "worker"))
    set_up(copy)
    with running(copy) as renewed:
        broker.require_writable(address(renewed, "worker"), STORE)

    assert "certificate has expired. Renew it on the broker's machine" in said
    assert (copy / "ca.pem").read_bytes() == (folder / "ca.pem").read_bytes()


def test_a_redis_may_ask_for_a_certificate_of_the_client(folder: Path, tmp_path: Path) -> None:
    """Without one, and with one of another authority, the message says what to set.

    Redis may hang up before it says why; the message is then more general.
    """
    set_up(tmp_path / "other")
    keys = {"ORCH_BROKER_CERT": "client.pem", "ORCH_BROKER_KEY": "client.key"}
    ours = {name: str(folder / file) for name, file in keys.items()}
    theirs = {name: str(tmp_path / "other" / file) for name, file in keys.items()}
    with running(folder, "--tls-auth-clients", "yes") as strict:
        broker.require_writable(address(strict, "worker", **ours), STORE)
        without = said_of(address(strict, "worker"))
        stranger = said_of(address(strict, "worker", **theirs))
        crossed = ours | {"ORCH_BROKER_KEY": theirs["ORCH_BROKER_KEY"]}
        mixed = said_of(address(strict, "worker", **crossed))
        keyless = said_of(address(strict, "worker", ORCH_BROKER_CERT=ours["ORCH_BROKER_CERT"]))

    assert "set ORCH_BROKER_CERT and ORCH_BROKER_KEY" in without
    assert any(
        words in stranger for words in ("who signed our certificate", "its authority has signed")
    )
    assert "is not the key of ORCH_BROKER_CERT" in mixed
    assert "ORCH_BROKER_KEY no key" in keyless


def test_settings_hold_no_password(guarded: GuardedRedis) -> None:
    """Nor does an address that an embedded broker gets: the variables belong to a named one."""
    url = address(guarded, "worker")
    alone = settings.read({"ORCH_BROKER_PASSWORD_FILE": "/some/file"})

    assert guarded.password("worker") not in url
    assert alone.broker_url is None


def test_remote_control_does_not_tell_the_password(guarded: GuardedRedis) -> None:
    """What a worker answers to Flower's questions about its configuration."""
    application: Any = broker.app(address(guarded, "worker"), STORE)
    shown = str(application.conf.table(with_defaults=True, censored=True))

    assert "orch-worker" in shown
    assert guarded.password("worker") not in shown
