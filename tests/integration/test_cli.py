"""The command line as a person meets it: what is refused, how, and what is left behind
(nothing).
"""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path

import click
import pytest
from support.command_lines import commands
from support.fakes import fill_store

from orchestrator import cli
from orchestrator.terminal import progress_bar

SPECS = {
    "not-yaml.yaml": "periods: [1, 2",
    "unknown-key.yaml": "backbones: all\nperiod: 3\n",
    "list.yaml": "- resnet34\n",
    "words.yaml": "backbones: all\nperiods: many\n",
    "maybe.yaml": "all_backbones: perhaps\n",
    "split.yaml": "backbones: all\nsplit: [50, 50, 0]\n",
    "number.yaml": "backbones: 7\n",
    "good.yaml": "backbones: [scratch]\n",
}
ANY = ["submit", "--backbone", "scratch"]
UNREACHABLE = {"ORCH_BROKER_URL": "redis://user:geheim@127.0.0.1:1/0"}

BAD: list[tuple[list[str], str, dict[str, str]]] = [
    (["submit"], "no backbone was named", {}),
    (["submit", "--backbone", "resnet43"], "Did you mean 'resnet34'?", {}),
    (["submit", "--backbone", "resnet43", "--json"], "Did you mean 'resnet34'?", {}),
    (["submit", "--backbone", ""], "no backbone is called ''", {}),
    ([*ANY, "--all-backbones"], "give one of them", {}),
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
    ([*ANY, "--name", "a/b"], "name: letters, digits", {}),
    ([*ANY, "--name", ""], "name: letters, digits", {}),
    ([*ANY, "--workers", "-1"], "--workers -1: a whole number from 0 to 256 is needed.", {}),
    ([*ANY, "--device", "tpu"], "'tpu' is not a device", {}),
    ([*ANY, "--device", "cuda:99"], "cuda:99", {}),
    ([*ANY, "--perids", "3"], "--periods", {}),
    ([*ANY, "--data", "missing"], "does not exist", {}),
    ([*ANY, "--data", "file"], "is not a folder", {}),
    ([*ANY, "--data", "empty"], "empty of class folders", {}),
    ([*ANY, "--data", "one-class"], "one class only", {}),
    ([*ANY, "--data", "empty-class"], "no file in class folder(s) b", {}),
    ([*ANY, "--data", "animals"], "lies inside the data folder", {"ORCH_STORE": "animals/store"}),
    (["submit", "missing.yaml"], "cannot read the spec", {}),
    (["submit", "animals"], "Images are given with --data animals", {}),
    (["submit", "not-yaml.yaml"], "while parsing a flow sequence at line 1, column 10", {}),
    (["submit", "unknown-key.yaml"], "Did you mean 'periods'?", {}),
    (["submit", "list.yaml"], "must hold keys and values", {}),
    (["submit", "words.yaml"], "periods", {}),
    (["submit", "maybe.yaml"], "true or false is needed", {}),
    (["submit", "split.yaml"], "add up to 100", {}),
    (["submit", "number.yaml"], "backbones", {}),
    (["submit", "good.yaml", "list.yaml"], "unexpected extra argument", {}),
    (ANY, "redis://user:***@127.0.0.1:1/0", UNREACHABLE),
    (["up"], "redis://user:***@127.0.0.1:1/0", UNREACHABLE),
    (ANY, "nonsense", {"ORCH_BROKER_URL": "nonsense"}),
    (ANY, "ftp://", {"ORCH_BROKER_URL": "ftp://127.0.0.1/0"}),
    (ANY, "is not a folder", {"ORCH_STORE": "file/store"}),
    (ANY, "is not a folder", {"ORCH_STORE": "file"}),
    (ANY, "format", {"ORCH_STORE": "other-store"}),
    (ANY, "cannot be written", {"ORCH_STORE": "/proc/store"}),
    (["sumbit"], "Did you mean 'submit'?", {}),
    (["xyzzy"], "There are: submit", {}),
    (["--stoer", "x", "status"], "--store", {}),
    (["status"], "there is no store", {}),
    (["status", "--json"], "there is no store", {}),
    (["status", "x"], "there is no store", {}),
    (["watch"], "there is no store", {}),
    (["report"], "there is no store", {}),
    (["resume", "x"], "there is no store", {}),
    (["resume"], "Missing argument 'RUN'. 'orch status' lists the runs.", {}),
    (["retry", "x"], "there is no store", {}),
    (["cancel", "x"], "there is no store", {}),
    (["verify", "x"], "there is no store", {}),
    (["verify"], "Missing argument 'RUN'", {}),
    (["verify", "x", "--trial", "y"], "belong to --replay", {}),
    (["verify", "x", "--replay", "--kills", "-1"], "--kills", {}),
    (["prune"], "there is no store", {}),
    (["prune", "--keep", "worst"], "best, last, periods", {}),
    (["status", "--attempts"], "needs the RUN", {}),
    ([*ANY, "--checkpoint-every", "soon"], "checkpoint_every", {}),
    ([*ANY, "--checkpoint-every", "-5m"], "checkpoint_every", {}),
    (["models", "resnet43"], "Did you mean 'resnet34'?", {}),
    (["models", "--classes", "0"], "--classes", {}),
    (["models", "scratch", "--image-size", "20"], "too small for scratch", {}),
    (["worker", "--device", "tpu"], "'tpu' is not a device", {}),
    (["worker", "--idle-exit", "soon"], "--idle-exit: 'soon' is not a length of time", {}),
    (["worker", "--threads", "0"], "--threads", {}),
    (["worker", "--slots", "0"], "--slots", {}),
    (["worker"], "redis://user:***@127.0.0.1:1/0", UNREACHABLE),
    (["flower", "--port", "0"], "--port", {}),
    (["flower"], "redis://user:***@127.0.0.1:1/0", UNREACHABLE),
    (["data", "inspekt", "animals"], "There are: inspect, prepare. See: orch data --help", {}),
    (["data", "inspect"], "Missing argument 'FOLDER'. See: orch data inspect --help", {}),
    (["status", "--top", "3"], "No such option '--top'", {}),
    (
        ["verify", "x", "--replay", "--seed", "x"],
        "--seed 'x': a whole number from 0 up is needed.",
        {},
    ),
    (["data", "inspect", "missing"], "does not exist", {}),
    (["data", "inspect", "one-class"], "one class only", {}),
    (["data", "prepare", "missing"], "does not exist", {}),
    (["data", "prepare", "animals", "--image-size", "0"], "image_size", {}),
]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with good and bad data, good and bad specs, and no store."""
    folder = tmp_path / "desk"
    for path in (
        "animals/a/1.png",
        "animals/b/1.png",
        "one-class/a/1.png",
        "empty-class/a/1.png",
        "file",
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode())
    for path in ("empty-class/b", "empty", "other-store"):
        (folder / path).mkdir()
    (folder / "other-store" / "store.json").write_text('{"format": 99}')
    for name, text in SPECS.items():
        (folder / name).write_text(text)
    for variable in ("ORCH_STORE", "ORCH_BROKER_URL", "ORCH_WEIGHTS_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(folder)
    return folder


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


def test_orch_alone_shows_the_help_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    """No request is not a wrong one."""
    code = cli.run([])

    assert code == 0
    assert "Usage: orch" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """`orch --version` names the program and a version."""
    code = cli.run(["--version"])

    assert code == 0
    assert capsys.readouterr().out.startswith("orch ")


def test_too_long_a_name_for_a_socket_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Processes that work together speak through a socket among temporary files, whose name may
    have 107 letters.
    """

    def refuse(**_: object) -> None:
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(cli.cli, "main", refuse)

    assert cli.run([]) == 1
    assert "Set TMPDIR to a shorter one" in capsys.readouterr().err


def test_a_second_ctrl_c_ends_at_once_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a command was interrupted, the next signal is the system's own matter."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(cli, "run", lambda: cli.INTERRUPTED)
    try:
        with pytest.raises(SystemExit) as left:
            cli.main()
        after = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert left.value.code == 130
    assert after == signal.SIG_DFL


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_is_found_under_its_own_name(name: str) -> None:
    """The table of commands leads to a command of that name."""
    command = cli.cli.get_command(click.Context(cli.cli), name)

    assert command is not None
    assert command.name == name


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_every_command_shows_an_example_that_parses(command: click.Command) -> None:
    """A help text ends with a command that can be typed."""
    from support.command_lines import parse

    shown = [
        line.strip()
        for line in (command.epilog or "").splitlines()
        if line.strip().startswith("orch")
    ]
    parsed = [parse(line) for line in shown]

    assert parsed


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_every_option_says_what_it_does_and_its_default(command: click.Command) -> None:
    """Options that are no flags show a default, in the help's own words or click's."""
    given = [
        option
        for option in command.params
        if isinstance(option, click.Option) and not option.is_flag
    ]
    silent = [
        option.opts[0]
        for option in given
        if not option.multiple
        and option.flag_value is None
        and "default:" not in (option.help or "")
        and not option.show_default
    ]

    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert silent == []


def test_the_defaults_that_the_help_of_submit_shows_are_those_of_the_spec() -> None:
    """The help is written by hand so that it need not import the spec; it may not drift from it."""
    from jobs.spec.model import Spec

    submit = cli.cli.get_command(click.Context(cli.cli), "submit")
    assert submit is not None
    helps = {
        option.name: option.help or ""
        for option in submit.params
        if isinstance(option, click.Option)
    }
    fields = {
        name: field.default
        for name, field in Spec.model_fields.items()
        if name in helps and not field.is_required()
    }
    wrong = [
        name
        for name, value in fields.items()
        if value not in (None, False, ()) and f"[default: {value}" not in helps[name]
    ]
    digits = Spec(backbones="all")  # type: ignore[arg-type]

    assert len(fields) >= 10
    assert wrong == []
    assert f"{digits.image_size} for digits" in helps["image_size"]
    assert f"{digits.weights} for digits" in helps["weights"]


def test_the_catalog_is_listed_as_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads names and parameter counts; Scratch has the study's."""
    code = cli.run(["models", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["models"]}

    assert code == 0
    assert rows["scratch"]["parameters"] == 6_983_444


@pytest.mark.parametrize(
    "given",
    [
        ["--backbone", "scratch, vgg16"],
        ["--backbone", "scratch", "--backbone", "vgg16"],
        ["--backbone", "scratch,vgg16,scratch"],
    ],
    ids=" ".join,
)
def test_backbones_may_be_named_with_commas(given: list[str]) -> None:
    """As a list, as options again, or both; each is compared once."""
    from orchestrator.commands.submit import _spec, submit_command

    options = submit_command.make_context("submit", given, resilient_parsing=True).params
    asked = _spec(None, {"all_backbones": False, "backbones": options["backbones"]})

    assert asked.backbones == ("scratch", "vgg16")


class Terminal(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "quiet", "shown"),
    [
        (Terminal(), False, "\r\x1b[Kloading ...\r\x1b[Kasking ...\r\x1b[K"),
        (Terminal(), True, ""),
        (io.StringIO(), False, ""),
    ],
    ids=["terminal", "for a program", "file"],
)
def test_slow_work_is_told_in_one_line_that_goes_away(
    out: io.StringIO, quiet: bool, shown: str
) -> None:
    """On a terminal only, and not where a program reads."""
    with progress_bar.status_line("loading", quiet, out) as say:
        say("asking")

    assert out.getvalue() == shown


@pytest.mark.parametrize(
    "words", [["models", "scratch"], ["report", "--format", "json"]], ids=" ".join
)
def test_slow_commands_show_that_they_work(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something stands on a terminal while libraries are loaded, and is gone at the end."""
    pytest.importorskip("torch")
    fill_store(tmp_path / "store", backbones=["scratch"], pixels=False)
    monkeypatch.setenv("ORCH_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("sys.stderr", screen := Terminal())

    code = cli.run(words)

    assert code == 0
    assert " ..." in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_a_folder_is_inspected(
    desk: Path, animal_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counts, formats, broken files and duplicates, those across classes named apart."""
    (animal_folder / "ape" / "broken.jpg").write_bytes(b"\xff\xd8\xff and nothing more")
    (animal_folder / "ape" / "twin.png").write_bytes(
        (animal_folder / "cat" / "000.png").read_bytes()
    )

    code = cli.run(["data", "inspect", str(animal_folder), "--json"])
    found = json.loads(capsys.readouterr().out)

    assert code == 1
    assert found["classes"] == {"ape": 22, "bear": 20, "cat": 20}
    assert found["formats"] == {"PNG": 61}
    assert list(found["broken"]) == ["ape/broken.jpg"]
    assert found["contradictions"] == found["duplicates"] == [["ape/twin.png", "cat/000.png"]]


def test_a_data_set_is_prepared_once(
    desk: Path, animal_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second time it is there already, with the same facts."""
    pytest.importorskip("torch")
    arguments = ["data", "prepare", str(animal_folder), "--image-size", "16", "--json"]

    codes = [cli.run(arguments)]
    first = json.loads(capsys.readouterr().out)
    codes.append(cli.run(arguments))
    second = json.loads(capsys.readouterr().out)

    assert codes == [0, 0]
    assert first["images"] == 60
    assert first["already"] is False
    assert second == first | {"already": True}
