"""Command lines typed wrongly: exit code 2, one line that names what is wrong, nothing started."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.refusals import UNREACHABLE, Terminal, clear_line, listing

MISUSE: list[tuple[str, str]] = [
    ("status a b", "unexpected extra argument"),
    ("status --all", "--all"),
    ("status --store", "requires an argument"),
    ("watch a b", "unexpected extra argument"),
    ("watch --json", "--json"),
    ("report --out", "requires an argument"),
    ("report --format", "requires an argument"),
    ("report --open", "--open"),
    ("resume", "there is no store"),
    ("resume a b", "unexpected extra argument"),
    ("resume a --workers x", "--workers"),
    ("resume a --workers 257", "--workers"),
    ("retry", "there is no store"),
    ("retry a --force", "--force"),
    ("cancel", "there is no store"),
    ("cancel --all", "--all"),
    ("cancel a b", "unexpected extra argument"),
    ("verify", "there is no store"),
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

REAL: list[tuple[list[str], dict[str, str], str]] = [
    (["submit", "--backbone", "resnet43"], {}, "Did you mean 'resnet34'?"),
    (["submit", "bomb.yaml"], {}, "must be a value or a list"),
    (["status"], {"ORCH_STORE": "file"}, "cannot use the store"),
    (["worker"], {"ORCH_BROKER_URL": UNREACHABLE}, "no broker answers at 127.0.0.1:1 "),
    (["status", "\udcff"], {"ORCH_STORE": "\udcff"}, "\\udcff"),
    (["data", "inspect", "pipes"], {}, "a pipe, socket or device"),
]


@pytest.mark.parametrize(("line", "words"), MISUSE, ids=[ascii(row[0])[1:45] for row in MISUSE])
def test_a_command_typed_wrongly_is_refused(line: str, words: str, terminal: Terminal) -> None:
    """No store is made or started for it."""
    terminal.refuses(shlex.split(line), words)


def test_a_port_that_is_taken_is_refused_before_anything_is_started(terminal: Terminal) -> None:
    """Flower would say so with a traceback, after a broker was started."""
    pytest.importorskip("flower", reason="Flower is not installed (extra 'flower')")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        terminal.refuses(("flower", "--port", str(port)), f"cannot listen on 127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("words", "environment", "expected"), REAL, ids=[ascii(" ".join(row[0])) for row in REAL]
)
def test_the_real_command_says_the_same(
    words: list[str], environment: dict[str, str], expected: str, terminal: Terminal
) -> None:
    """As its own process, with a terminal's bytes: one line on stderr, nothing on stdout, nothing
    written.
    """
    (terminal.folder / "file").write_bytes(b"x")
    (terminal.folder / "bomb.yaml").write_text("a: &a [x]\nb: &b [*a, *a]\nbackbones: [*b, *b]\n")
    for label in "ab":
        (terminal.folder / "pipes" / label).mkdir(parents=True)
        os.mkfifo(terminal.folder / "pipes" / label / "1.png")
    before = listing(terminal.folder)

    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", *words],
        cwd=terminal.folder,
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ
        | {"TMPDIR": str(terminal.temporary), "PYTHONPATH": str(Path(__file__).parents[2])}
        | environment,
    )

    assert ended.returncode == (75 if words == ["worker"] else 2)
    assert expected in clear_line(ended.stderr.decode())
    assert ended.stdout == b""
    assert listing(terminal.folder) == before
