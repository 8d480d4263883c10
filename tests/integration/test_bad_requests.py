"""Bad requests on the command line: what is refused, how, and what is left behind (nothing)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.request_desk import lay_desk

from orchestrator import cli

ANY = ["submit", "--backbone", "scratch"]
UNREACHABLE = {"ORCH_BROKER_URL": "redis://user:geheim@127.0.0.1:1/0"}
BAD: list[tuple[list[str], str, dict[str, str]]] = [
    (["submit"], "no backbone was given", {}),
    (["submit", "--backbone", "resnet43"], "Did you mean 'resnet34'?", {}),
    (["submit", "--backbone", "resnet43", "--json"], "Did you mean 'resnet34'?", {}),
    (["submit", "--backbone", ""], "unknown backbone ''", {}),
    ([*ANY, "--all-backbones"], "Give only one of them", {}),
    ([*ANY, "--periods", "0"], "periods", {}),
    ([*ANY, "--periods", "-3"], "periods", {}),
    ([*ANY, "--periods", "three"], "--periods 'three': a whole number is needed", {}),
    ([*ANY, "--periods"], "--periods", {}),
    ([*ANY, "--epochs-per-period", "0"], "epochs_per_period", {}),
    ([*ANY, "--image-size", "4"], "image_size", {}),
    ([*ANY, "--image-size", "31"], "too small for scratch", {}),
    ([*ANY, "--image-size", "100000"], "image_size", {}),
    ([*ANY, "--batch-size", "0"], "batch_size", {}),
    ([*ANY, "--learning-rate", "0"], "learning_rate", {}),
    ([*ANY, "--learning-rate", "nan"], "learning_rate", {}),
    ([*ANY, "--weights", "cifar"], "one of imagenet, none is needed", {}),
    ([*ANY, "--seeds", "0"], "seeds", {}),
    ([*ANY, "--precision", "fp64"], "one of auto, fp32, bf16 is needed", {}),
    ([*ANY, "--name", "a/b"], "at most 80 letters, digits", {}),
    ([*ANY, "--name", ""], "at most 80 letters, digits", {}),
    ([*ANY, "--workers", "-1"], "--workers -1: a whole number from 0 to 256 is needed.", {}),
    ([*ANY, "--device", "tpu"], "'tpu' is not a device", {}),
    ([*ANY, "--device", "cuda:99"], "cuda:99", {}),
    ([*ANY, "--perids", "3"], "--periods", {}),
    ([*ANY, "--data", "missing"], "does not exist", {}),
    ([*ANY, "--data", "file"], "is not a folder", {}),
    ([*ANY, "--data", "empty"], "has no class folders", {}),
    ([*ANY, "--data", "one-class"], "only one class", {}),
    ([*ANY, "--data", "empty-class"], "no file in class folder(s) b", {}),
    ([*ANY, "--data", "animals"], "inside the data folder", {"ORCH_STORE": "animals/store"}),
    (["submit", "missing.yaml"], "cannot read the spec", {}),
    (["submit", "animals"], "Images are given with --data animals", {}),
    (["submit", "not-yaml.yaml"], "while parsing a flow sequence at line 1, column 10", {}),
    (["submit", "unknown-key.yaml"], "Did you mean 'periods'?", {}),
    (["submit", "list.yaml"], "must contain keys and values", {}),
    (["submit", "words.yaml"], "periods", {}),
    (["submit", "maybe.yaml"], "true or false is needed", {}),
    (["submit", "split.yaml"], "sum to 100", {}),
    (["submit", "number.yaml"], "backbones", {}),
    (["submit", "good.yaml", "list.yaml"], "unexpected extra argument", {}),
    (ANY, "no broker answers at 127.0.0.1:1 ", UNREACHABLE),
    (["up"], "no broker answers at 127.0.0.1:1 ", UNREACHABLE),
    (ANY, "ORCH_BROKER_URL begins with none of redis://", {"ORCH_BROKER_URL": "nonsense"}),
    (ANY, "ORCH_BROKER_URL begins with none of redis://", {"ORCH_BROKER_URL": "ftp://127.0.0.1/0"}),
    (ANY, "is not a folder", {"ORCH_STORE": "file/store"}),
    (ANY, "is not a folder", {"ORCH_STORE": "file"}),
    (ANY, "format", {"ORCH_STORE": "other-store"}),
    (ANY, "cannot write to", {"ORCH_STORE": "/proc/store"}),
    (["sumbit"], "Did you mean 'submit'?", {}),
    (["xyzzy"], "Commands: submit", {}),
    (["--stoer", "x", "status"], "--store", {}),
    (["status"], "there is no store", {}),
    (["status", "--json"], "there is no store", {}),
    (["status", "x"], "there is no store", {}),
    (["watch"], "there is no store", {}),
    (["report"], "there is no store", {}),
    (["resume", "x"], "there is no store", {}),
    (["resume"], "there is no store", {}),
    (["rm"], "Missing argument 'RUN'. 'orch status' lists the runs.", {}),
    (["retry", "x"], "there is no store", {}),
    (["cancel", "x"], "there is no store", {}),
    (["verify", "x"], "there is no store", {}),
    (["verify"], "there is no store", {}),
    (["verify", "x", "--trial", "y"], "need --replay", {}),
    (["verify", "x", "--replay", "--kills", "-1"], "--kills", {}),
    (["prune"], "there is no store", {}),
    (["prune", "--keep", "worst"], "best, last, periods", {}),
    (["status", "--attempts"], "needs a RUN", {}),
    ([*ANY, "--checkpoint-every", "soon"], "checkpoint_every", {}),
    ([*ANY, "--checkpoint-every", "-5m"], "checkpoint_every", {}),
    (["models", "resnet43"], "Did you mean 'resnet34'?", {}),
    (["models", "--classes", "0"], "--classes", {}),
    (["models", "scratch", "--image-size", "20"], "too small for scratch", {}),
    (["worker", "--device", "tpu"], "'tpu' is not a device", {}),
    (["worker", "--idle-exit", "soon"], "--idle-exit: 'soon' is not a duration", {}),
    (["worker", "--threads", "0"], "--threads", {}),
    (["worker", "--slots", "0"], "--slots", {}),
    (["worker", "--min-free", "20"], "--min-free: '20' is not a size of memory", {}),
    (["flower", "--port", "0"], "--port", {}),
    (["flower"], "no broker answers at 127.0.0.1:1 ", UNREACHABLE),
    (["data", "inspekt", "animals"], "Commands: inspect, prepare. See: orch data --help", {}),
    (["data", "inspect"], "See: orch data inspect --help", {}),
    (["status", "--top", "3"], "No such option '--top'", {}),
    (
        ["verify", "x", "--replay", "--seed", "x"],
        "--seed 'x': a whole number from 0 up is needed.",
        {},
    ),
    (["data", "inspect", "missing"], "does not exist", {}),
    (["data", "inspect", "one-class"], "only one class", {}),
    (["data", "prepare", "missing"], "does not exist", {}),
    (["data", "prepare", "animals", "--image-size", "0"], "image_size", {}),
]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with good and bad data, good and bad specs, and no store."""
    return lay_desk(tmp_path / "desk", monkeypatch)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder with the bytes of files."""
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize(
    ("arguments", "fragment", "environment"), BAD, ids=[" ".join(row[0]) for row in BAD]
)
def test_a_bad_request_is_one_clear_line_and_leaves_nothing_behind(
    arguments: list[str],
    fragment: str,
    environment: dict[str, str],
    desk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, one line on stderr that names the fault, nothing on stdout, nothing written, no
    password shown.
    """
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    before = contents(desk)

    code = cli.run(arguments)

    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert fragment in lines[0]
    assert "Traceback" not in said.err
    assert "geheim" not in said.err + said.out
    assert said.out == ""
    assert contents(desk) == before
