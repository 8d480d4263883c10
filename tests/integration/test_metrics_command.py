"""`orch metrics` from the command line: printed, served, and refused in one line."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from functools import partial
from pathlib import Path

import pytest
from support.half_done import half_done_run
from support.harness import ORCH
from support.refusals import clear_line

from jobs.errors import RequestError
from orchestrator import cli
from orchestrator.prometheus import server

pytest.importorskip(
    "prometheus_client", reason="prometheus_client is not installed (extra 'metrics')"
)


@pytest.mark.parametrize(
    "address", ["9840", ":9840", "localhost", "localhost:0", "localhost:65536", "a b:1", "::1:80"]
)
def test_an_address_that_is_none_is_refused_with_an_example(address: str) -> None:
    """A port alone would be a guess at the address."""
    with pytest.raises(RequestError, match=r"is not HOST:PORT. Give one such as 127.0.0.1:9840"):
        server.parse_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1:9840", "[::1]:9840", "gpu-node-1:80"])
def test_an_address_is_shown_as_it_was_given(address: str) -> None:
    """IPv6 in brackets."""
    assert str(server.parse_address(address)) == address


def test_a_wrong_request_is_answered_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No store, a wrong address, a port that is taken, a host that is elsewhere: exit code 2."""
    half_done_run(tmp_path / "store")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for store, words, said in (
            ("none", [], "there is no store at"),
            ("store", ["--listen", "here"], "is not HOST:PORT"),
            ("store", ["--listen", f"127.0.0.1:{port}"], "already in use. Give another --listen"),
            ("store", ["--listen", "no-such-host.invalid:1"], "cannot listen on"),
        ):
            code = cli.run(["--store", str(tmp_path / store), "metrics", *words])
            out, err = capsys.readouterr()

            assert (code, out) == (2, "")
            assert said in clear_line(err)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)  # as where it is not installed

    assert cli.run(["--store", str(tmp_path / "store"), "metrics"]) == 2
    assert "[metrics]" in clear_line(capsys.readouterr().err)


def test_it_is_served_until_it_is_interrupted(tmp_path: Path) -> None:
    """It says where; what is served equals what is printed; a store that goes away is told."""
    half_done_run(tmp_path / "store")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [*ORCH, "--store", str(tmp_path / "store"), "metrics", "--listen", address]
    # A test run in the background of a shell ignores Ctrl-C, and so would what it starts.
    heeds_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heeds_ctrl_c)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        served = _scrape(address)
        (tmp_path / "store").rename(tmp_path / "away")
        away = _scrape(address)
        process.send_signal(signal.SIGINT)
        code = process.wait(20)
    finally:
        process.kill()
        process.wait()

    assert said == f"metrics are served on http://{address}/metrics (Ctrl-C ends it)\n"
    assert 'orch_tasks{kind="train",state="done"} 2.0' in served
    assert "orch_store_up 1.0" in served
    assert "orch_store_up 0.0" in away
    assert "orch_tasks{" not in away
    assert code == 130
    assert process.stderr.read().count("there is no store") == 1


def _scrape(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
        return str(answer.read().decode())
