"""Environment values and misuse of every command: one clear line, no password shown, nothing
started or written.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.attacks import SECRET, UNREACHABLE, Bad, Desk, listing, make_desk
from support.fakes import fill_store

from jobs.errors import BadEnvironment, BrokerUnreachable
from jobs.settings import read, without_password
from workers.messaging import broker

ONE = ("submit", "--backbone", "scratch")
WRITERS = (ONE, ("up",), ("worker",), ("flower", "--port", "50999"), ("data", "prepare", "digits"))
READERS = (
    ("status",),
    ("status", "study"),
    ("report",),
    ("watch",),
    ("resume", "study"),
    ("retry", "study"),
    ("cancel", "study"),
    ("verify", "study"),
    ("prune",),
)


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    """A desk with a few things that are no store on it."""
    made = make_desk(tmp_path, monkeypatch, capsys)
    (made.folder / "file").write_bytes(b"x")
    (made.folder / "empty").mkdir()
    (made.folder / "loop").symlink_to("loop")
    (made.folder / "dead").symlink_to("gone/away")
    os.mkfifo(made.folder / "pipe")
    (made.folder / "nested").mkdir()
    (made.folder / "nested" / "store.json").mkdir()
    return made


PLACES = [
    ("file", "the store "),
    ("file/store", "the store "),
    ("file/a/b/c", "the store "),
    ("/dev/null", "the store "),
    ("/dev/null/x", "the store "),
    ("/proc/store", "the store "),
    ("/sys/kernel/store", "the store "),
    ("/proc/self/fd/store", "the store "),
    ("loop", "the store "),
    ("loop/store", "the store "),
    ("pipe", "the store "),
    ("dead", "the store "),
    ("nested", "the store "),
    (" ", "ORCH_STORE is empty"),
    ("\t", "ORCH_STORE is empty"),
    ("~nobody-of-that-name", "ORCH_STORE: ~nobody"),
    ("~nobody-of-that-name/x/y", "ORCH_STORE: ~nobody"),
    ("x" * 300, "the store "),
    ("/".join(["x" * 200] * 30), "the store "),
    ("file/\x1b[31m", "the store "),
]


@pytest.mark.parametrize("words", WRITERS, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("place", "fragment"), PLACES, ids=[ascii(place)[:30] for place, _ in PLACES]
)
def test_a_store_that_cannot_be_made_is_refused(
    place: str, fragment: str, words: tuple[str, ...], desk: Desk
) -> None:
    """By every command that would write, before anything is started."""
    desk.refuses(Bad(words, fragment, 2, {"ORCH_STORE": place, "ORCH_BROKER_URL": UNREACHABLE}))


@pytest.mark.parametrize("words", READERS, ids=" ".join)
@pytest.mark.parametrize(
    "place",
    [
        "file",
        "file/x",
        "empty",
        "gone",
        "loop",
        "/proc",
        "/dev/null",
        "nested",
        "x" * 300,
        "\udcff",
    ],
    ids=ascii,
)
def test_what_is_no_store_is_not_read_as_one(
    place: str, words: tuple[str, ...], desk: Desk
) -> None:
    """By any command that only reads; the place is not made."""
    desk.refuses(Bad(words, "store ", 2, {"ORCH_STORE": place}))


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may write everywhere")
@pytest.mark.parametrize("words", WRITERS, ids=lambda words: words[0])
def test_a_store_that_may_not_be_written_is_refused(words: tuple[str, ...], desk: Desk) -> None:
    """The line says what to set."""
    (desk.folder / "empty").chmod(0o500)

    desk.refuses(
        Bad(words, "Set ORCH_STORE", 2, {"ORCH_STORE": "empty", "ORCH_BROKER_URL": UNREACHABLE})
    )


def test_a_store_below_a_folder_that_is_not_there_is_no_error(desk: Desk) -> None:
    """It would be made; a request that fails for another reason leaves none of it behind."""
    desk.refuses(
        Bad(
            ONE,
            "no broker answers",
            2,
            {"ORCH_STORE": "deep/er/store", "ORCH_BROKER_URL": UNREACHABLE},
        )
    )

    assert not (desk.folder / "deep").exists()


MALFORMED = [
    f"redis://:{SECRET}@host:notaport",
    f"redis://:{SECRET}@127.0.0.1:99999",
    f"redis://:{SECRET}@127.0.0.1:-1",
    f"redis://:{SECRET}@127.0.0.1:0",
    f"redis://:{SECRET}@[::1",
    f"redis://:{SECRET}@127.0.0.1:1/db",
    f"redis://:{SECRET}@127.0.0.1:1/0/0",
    f"redis://u:{SECRET}/x@127.0.0.1:1",
    f"redis://u:{SECRET}#x@127.0.0.1:1",
    f"redis://u:{SECRET}?x@127.0.0.1:1",
    f"redis://u:x#{SECRET}@127.0.0.1:1",
    f"redis://u:x?{SECRET}@127.0.0.1:1",
    f"redis://u:x/{SECRET}@127.0.0.1:1",
    f"redis://u:{SECRET}@",
    f"redis://u:{SECRET}",
    f"redis://:{SECRET}",
    f"redis://{SECRET}@127.0.0.1:1",
    f"redis://127.0.0.1:1?password={SECRET}",
    f"redis://127.0.0.1:1?Pass={SECRET}",
    f"redis://127.0.0.1:1?token={SECRET}",
    f"redis://127.0.0.1:1?password=a@{SECRET}",
    f"redis://127.0.0.1:1?{SECRET}",
    f"redis://127.0.0.1:1?ssl_password={SECRET}&x=1",
    f"redis://u:{SECRET}@127.0.0.1:1;redis://v:{SECRET}@127.0.0.1:2",
    f"redis://u:{SECRET}%zz@127.0.0.1:1",
    f"rediss://u:{SECRET}@127.0.0.1:1?ssl_cert_reqs=bogus",
    f"redis+socket:///nowhere/r.sock?password={SECRET}",
    "redis+socket://",
    "redis+socket:///etc/hostname",
    "redis+socket:///tmp",
    "redis+socket://" + "/x" * 200,
    f"redis+socket://:{SECRET}@/nowhere",
    "redis://",
    "redis:///",
    "redis://?",
    "redis://\udcff:1",
    "redis://" + "a" * 300 + ":1",
    "redis://a b:1",
    "redis://127.0.0.1:1 ",
    "redis://127.0.0.1:1?max_connections=many",
    "redis://127.0.0.1:1?db=x",
    "redis://[::1]:1",
    f"REDIS://u:{SECRET}@127.0.0.1:1",
    f" redis://u:{SECRET}@127.0.0.1:1",
    f"amqp://u:{SECRET}@127.0.0.1:1//",
    f"u:{SECRET}@127.0.0.1:1",
    f"redis:/u:{SECRET}@127.0.0.1",
    f"redis:u:{SECRET}@127.0.0.1",
    f"://u:{SECRET}@x",
    ":",
    f"http://u:{SECRET}@127.0.0.1:1",
    f"sqs://u:{SECRET}@",
    "memory://",
    "filesystem://",
    "file:///etc/passwd",
    "@",
    f"sentinel://:{SECRET}@127.0.0.1:1",
    "127.0.0.1:6379",
    "localhost",
    "\x1b[31mredis://",
    f"redis\n://u:{SECRET}@x",
]


@pytest.mark.parametrize("address", MALFORMED, ids=lambda address: ascii(address)[1:50])
def test_a_broker_that_cannot_be_reached_is_refused_without_its_password(
    address: str, desk: Desk
) -> None:
    """Whatever is wrong with the address; the line begins alike and tells what to check."""
    line = desk.refuses(Bad(ONE, "broker", 2, {"ORCH_BROKER_URL": address}))

    assert "Check ORCH_BROKER_URL" in line


@pytest.mark.parametrize("words", [*WRITERS[:4], ("doctor", "--json")], ids=lambda words: words[0])
def test_no_command_shows_the_brokers_password(words: tuple[str, ...], desk: Desk) -> None:
    """Nor does any leave a store behind when the broker is out of reach."""
    from orchestrator import cli

    desk.patch.setenv("ORCH_BROKER_URL", UNREACHABLE)
    before = listing(desk.folder)

    code = cli.run(list(words))
    said = desk.capsys.readouterr()

    assert code == (1 if words[0] == "doctor" else 2)
    assert "redis://user:***@127.0.0.1:1/0" in said.out + said.err
    assert SECRET not in said.out + said.err
    assert listing(desk.folder) == before


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
    with pytest.raises(BrokerUnreachable, match="rejects the password, or needs one") as caught:
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
    assert "password" in query or "no broker answers" in said


@settings(max_examples=300, deadline=None)
@example("", "", "", "://")
@given(
    st.sampled_from(["redis://", "rediss://", "redis+socket://", "", "redis:", "://"]),
    st.text("ab:/?#@[]%;=&", max_size=8),
    st.text("ab:/?#@[]%;=& ", max_size=12),
    st.text("ab:/?#[]%;= ", max_size=8),
)
def test_a_password_never_shows_whatever_stands_around_it(
    scheme: str, user: str, around: str, host: str
) -> None:
    """`user:password@host` with any signs in each part."""
    address = f"{scheme}{user}:{around}{SECRET}{around}@{host}"

    assert SECRET not in without_password(address)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_address_can_be_shown(address: str) -> None:
    """In one printable line."""
    shown = without_password(address)

    assert shown == "" or shown.isprintable()


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["ORCH_STORE", "ORCH_BROKER_URL", "ORCH_WEIGHTS_DIR"]),
        st.text(st.characters(exclude_characters="\0"), max_size=20),
    )
)
def test_any_environment_is_settings_or_one_clear_error(values: dict[str, str]) -> None:
    """Folders become absolute, empty values count as unset."""
    try:
        found = read(values)
    except BadEnvironment as error:
        assert "ORCH_" in str(error)  # noqa: PT017
        return

    assert found.store.is_absolute()
    assert found.weights_dir is None or found.weights_dir.is_absolute()
    assert found.broker_url != ""


WEIGHTS = [
    "gone",
    "file",
    "file/x",
    "empty",
    "loop",
    "dead",
    "pipe",
    "/dev/null",
    "/proc",
    "x" * 300,
    "a\x1b[31mb",
]


@pytest.mark.parametrize("place", WEIGHTS, ids=ascii)
def test_a_weights_folder_without_weights_is_refused_at_submit(place: str, desk: Desk) -> None:
    """Here, where this machine would do the work; the line says which file to put where."""
    pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    desk.patch.setenv("TORCH_HOME", str(desk.temporary / "torch"))
    desk.patch.setenv("https_proxy", "http://127.0.0.1:1")
    words = ("submit", "--backbone", "resnet34", "--weights", "imagenet")

    line = desk.refuses(Bad(words, "Put resnet34.pth", 2, {"ORCH_WEIGHTS_DIR": place}))

    assert "(ORCH_WEIGHTS_DIR)" in line


def test_a_file_of_weights_with_rubbish_in_it_is_refused_at_submit(desk: Desk) -> None:
    """By its name, before anything is queued; training would refuse it hours later."""
    pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    place = desk.temporary / "weights" / "resnet34.pth"
    place.parent.mkdir()
    place.write_bytes(b"rubbish" * 1000)
    words = ("submit", "--backbone", "resnet34", "--weights", "imagenet")

    line = desk.refuses(
        Bad(
            words,
            f"{place} is not a file of ImageNet weights",
            2,
            {"ORCH_WEIGHTS_DIR": str(place.parent)},
        )
    )

    assert "--weights none" in line


def test_a_weights_folder_of_an_unknown_user_is_refused(desk: Desk) -> None:
    """By whatever command."""
    desk.refuses(
        Bad(
            ("status",),
            "ORCH_WEIGHTS_DIR: ~nobody",
            2,
            {"ORCH_WEIGHTS_DIR": "~nobody-of-that-name/w"},
        )
    )


MISUSE: list[tuple[str, str]] = [
    ("status a b", "unexpected extra argument"),
    ("status --all", "--all"),
    ("status --store", "requires an argument"),
    ("watch a b", "unexpected extra argument"),
    ("watch --json", "--json"),
    ("report --out", "requires an argument"),
    ("report --format", "requires an argument"),
    ("report --open", "--open"),
    ("resume", "Missing argument"),
    ("resume a b", "unexpected extra argument"),
    ("resume a --workers x", "--workers"),
    ("resume a --workers 257", "--workers"),
    ("retry", "Missing argument"),
    ("retry a --force", "--force"),
    ("cancel", "Missing argument"),
    ("cancel --all", "--all"),
    ("cancel a b", "unexpected extra argument"),
    ("verify", "Missing argument"),
    ("verify a --kills 3", "need --replay"),
    ("verify a --seed 1", "--replay"),
    ("verify a --trial x", "need --replay"),
    ("verify a --replay --kills -1", "--kills"),
    ("verify a --replay --kills 1001", "--kills"),
    ("verify a --replay --kills x", "--kills"),
    ("verify a --replay --seed -1", "--seed"),
    ("prune --keep", "requires an argument"),
    ("prune --keep ''", "--keep"),
    ("prune --keep all", "--keep 'all'"),
    ("prune --keep best,worst", "--keep"),
    ("prune --keep ,", "--keep"),
    ("prune --keep best;last", "--keep"),
    ("prune --dry", "--dry-run"),
    ("models resnet", "Did you mean"),
    ("models a b", "unexpected extra argument"),
    ("models ''", "unknown backbone"),
    ("models --classes 1", "--classes"),
    ("models --classes x", "--classes"),
    ("models --classes 1000001", "--classes"),
    ("models --image-size 7", "--image-size"),
    ("models --image-size 4096", "--image-size"),
    ("models vgg16 --image-size 31", "too small"),
    ("models ../scratch", "unknown backbone"),
    ("models --wide", "--wide"),
    ("data", "a command is missing"),
    ("data look x", "look"),
    ("export", "a command is missing"),
    ("worker --device tpu", "is not a device"),
    ("worker --device cuda:77", "there is no cuda:77"),
    ("worker --threads 0", "--threads"),
    ("worker --threads -1", "--threads"),
    ("worker --threads x", "--threads"),
    ("worker --threads 4097", "--threads"),
    ("worker --threads 1.5", "--threads"),
    ("worker --idle-exit ''", "duration"),
    ("worker --idle-exit soon", "not a duration"),
    ("worker --idle-exit -5m", "duration"),
    ("worker --idle-exit 5x", "duration"),
    ("worker --idle-exit 1h30m", "duration"),
    ("worker --idle-exit nan", "duration"),
    ("worker --idle-exit inf", "duration"),
    ("worker --idle-exit 1e3", "duration"),
    ("worker --name " + "n" * 101, "--name is longer"),
    ("worker extra", "unexpected extra argument"),
    ("worker --wait", "--wait"),
    ("up --workers -1", "--workers"),
    ("up --workers 257", "--workers"),
    ("up --workers all", "--workers"),
    ("up --device tpu", "is not a device"),
    ("up --device cuda:77", "there is no cuda:77"),
    ("up x", "extra argument"),
    ("down x", "unexpected extra argument"),
    ("down --force", "--force"),
    ("down --workers 1", "--workers"),
    ("flower --port 0", "--port"),
    ("flower --port 65536", "--port"),
    ("flower --port -1", "--port"),
    ("flower --port x", "--port"),
    ("flower --port ''", "--port"),
    ("flower --address 999.1.1.1", "cannot listen"),
    ("flower --address 192.0.2.1", "cannot listen on 192.0.2.1:5555"),
    ("flower --address 'a b'", "cannot listen"),
    ("flower x", "unexpected extra argument"),
    ("doctor x", "unexpected extra argument"),
    ("doctor --fix", "--fix"),
    ("predict", "Missing argument"),
    ("predict gone.jpg", "gone.jpg"),
    ("", ""),
    ("sumbit", "Did you mean 'submit'?"),
    ("--nonsense", "--nonsense"),
    ("--store", "requires an argument"),
    ("--store '' status", "--store is empty"),
    ("-h", "-h"),
    ("submit submit", "cannot read the spec"),
    ("SUBMIT", "Did you mean 'submit'?"),
    ("''", "unknown command"),
    ("'\x1b[31mx'", "unknown command"),
    ("x" * 9000, "unknown command"),
    ("../status", "unknown command"),
]


@pytest.mark.parametrize(
    ("line", "fragment"), [row for row in MISUSE if row[0]], ids=lambda part: ascii(part)[1:45]
)
def test_a_command_typed_wrongly_is_refused(line: str, fragment: str, desk: Desk) -> None:
    """Exit code 2, one line that names what is wrong, and no store is made or started for it."""
    import shlex

    desk.refuses(Bad(tuple(shlex.split(line)), fragment))


def test_a_port_that_is_taken_is_refused_before_anything_is_started(desk: Desk) -> None:
    """Flower would say so with a traceback, after a broker was started."""
    pytest.importorskip("flower", reason="Flower is not installed (extra 'flower')")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        desk.refuses(Bad(("flower", "--port", str(port)), f"cannot listen on 127.0.0.1:{port}"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a small run, all of it done."""
    root = tmp_path_factory.mktemp("finished") / "store"
    fill_store(
        root,
        backbones=["scratch"],
        classes=("ape", "bear"),
        images_a_class=6,
        periods=1,
        epochs_per_period=1,
        image_size=32,
        name="study",
    )
    return root


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (("report", "study", "--out", ""), "--out is empty"),
        (("report", "study", "--out", " "), "--out is empty"),
        (("report", "study", "--out", "file"), "cannot write the report"),
        (("report", "study", "--out", "file/x"), "cannot write the report"),
        (("report", "study", "--out", "/dev/null/x"), "cannot write the report"),
        (("report", "study", "--out", "/proc/x"), "cannot write the report"),
        (("report", "study", "--out", "loop"), "cannot write the report"),
        (("report", "study", "--out", "pipe"), "cannot write the report"),
        (("report", "study", "--out", "x" * 300), "cannot write the report"),
        (("report", "study", "--out", "~nobody-of-that-name/x"), "does not exist"),
        (("report", "study", "nobody"), "has no run 'nobody'"),
        (("report", "study", "--format", "doc"), "doc"),
        (("report", "study", "--format", ""), "--format"),
        (("report", "study", "--period", "0"), "--period"),
        (("report", "study", "--period", "2"), "--period 2"),
        (("report", "study", "--period", "x"), "--period"),
        (("verify", "study", "--replay", "--trial", "nobody"), "nobody"),
        (("verify", "study", "--replay", "--trial", "../../x"), "../../x"),
        (("verify", "nobody"), "has no run"),
        (("prune", "study", "nobody"), "has no run 'nobody'"),
        (("prune", "--keep", "none"), "--keep 'none'"),
        (("resume", "study", "--device", "tpu"), "is not a device"),
        (("resume", "nobody"), "has no run"),
        (("predict", "gone.png"), "gone.png"),
        (("predict", "file", "--run", "nobody"), "nobody"),
        (("predict", "file", "--period", "9"), "9"),
        (("predict", "file", "--device", "tpu"), "tpu"),
        (("export", "tensorboard", "nobody"), "nobody"),
        (("export", "mlflow", "study", "--out", ""), ""),
    ],
)
def test_a_wrong_request_on_a_store_with_a_run_changes_nothing(
    words: tuple[str, ...], fragment: str, finished: Path, desk: Desk
) -> None:
    """The store is as it was, to the byte."""
    shutil.copytree(finished, desk.folder / "orch-store")

    desk.refuses(Bad(words, fragment))


SUBPROCESSES: list[tuple[list[str], dict[str, str], str]] = [
    (["submit", "--backbone", "resnet43"], {}, "Did you mean 'resnet34'?"),
    (["submit", "bomb.yaml"], {}, "must be a value or a list"),
    (["status"], {"ORCH_STORE": "file"}, "cannot use the store"),
    (["worker"], {"ORCH_BROKER_URL": UNREACHABLE}, "redis://user:***@127.0.0.1:1/0"),
    (["status", "\udcff"], {"ORCH_STORE": "\udcff"}, "\\udcff"),
    (["data", "inspect", "pipes"], {}, "a pipe, socket or device"),
]


@pytest.mark.parametrize(
    ("words", "environment", "fragment"), SUBPROCESSES, ids=[row[0][0] for row in SUBPROCESSES]
)
def test_the_real_command_says_the_same(
    words: list[str], environment: dict[str, str], fragment: str, desk: Desk
) -> None:
    """As its own process, with a terminal's bytes: one line on stderr, nothing on stdout, nothing
    written.
    """
    (desk.folder / "bomb.yaml").write_text("a: &a [x]\nb: &b [*a, *a]\nbackbones: [*b, *b]\n")
    for label in "ab":
        (desk.folder / "pipes" / label).mkdir(parents=True)
        os.mkfifo(desk.folder / "pipes" / label / "1.png")
    before = listing(desk.folder)

    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", *words],
        cwd=desk.folder,
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ
        | {"TMPDIR": str(desk.temporary), "PYTHONPATH": str(Path(__file__).parents[2])}
        | environment,
    )
    lines = ended.stderr.decode().splitlines()

    assert ended.returncode == 2
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert fragment in lines[0]
    assert SECRET not in lines[0]
    assert ended.stdout == b""
    assert listing(desk.folder) == before
