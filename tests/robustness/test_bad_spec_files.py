"""Spec files that hold no spec: read as plain values or refused, and no code in them runs."""

from __future__ import annotations

import os
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.refusals import UNREACHABLE, Terminal, listing, refusal

from jobs.errors import BadSpec
from jobs.spec import model
from jobs.spec.model import Spec

ONE = "backbones: scratch\n"
NAMES_BOMB = "l0: &l0 [x]\n" + "".join(
    f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
MERGE_BOMB = "m0: &m0 {x: 1}\n" + "".join(
    f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 10)}]}}\n" for i in range(1, 12)
)

TEXTS: list[tuple[str, str | bytes, str]] = [
    ("nothing", "", "must contain keys and values"),
    ("only a comment", "# nothing here\n", "must contain keys and values"),
    ("only a marker", "---\n", "must contain keys and values"),
    ("null", "null\n", "must contain keys and values"),
    ("a number", "3\n", "must contain keys and values"),
    ("a word", "resnet34\n", "must contain keys and values"),
    ("a list", "- resnet34\n", "must contain keys and values"),
    ("a set", "!!set {resnet34}\n", "must contain keys and values"),
    ("a number as key", "1: 2\n", "unknown key '1'"),
    ("null as key", "? \n: 2\n", "unknown key ''"),
    ("a truth as key", "yes: 2\n", "unknown key 'yes'"),
    ("a list as key", "? [a, b]\n: 2\n", "not valid YAML"),
    ("a mapping as key", "? {a: b}\n: 2\n", "not valid YAML"),
    ("two documents", "backbones: scratch\n---\nbackbones: scratch\n", "not valid YAML"),
    ("tabs", "backbones:\n\t- scratch\n", "not valid YAML"),
    ("an open list", "backbones: [scratch\n", "not valid YAML"),
    ("an open quotation", 'backbones: "scratch\n', "not valid YAML"),
    ("an unknown alias", "backbones: *nobody\n", "not valid YAML"),
    ("an unknown tag", "backbones: !mine scratch\n", "not valid YAML"),
    ("a directive", "%YAML 9.9\n---\nbackbones: scratch\n", "not valid YAML"),
    ("JSON cut short", '{"backbones": "scratch", "periods": 3', "not valid YAML"),
    (
        "a Python object",
        "backbones: !!python/object/apply:os.system ['touch owned']\n",
        "not valid YAML",
    ),
    ("a Python name", "backbones: !!python/name:os.system\n", "not valid YAML"),
    ("a Python tuple", "backbones: !!python/tuple [scratch]\n", "not valid YAML"),
    (
        "a new Python object",
        "!!python/object/new:subprocess.Popen [['touch', 'owned']]\n",
        "not valid YAML",
    ),
    ("a Python module", "data: !!python/module:antigravity\n" + ONE, "not valid YAML"),
    ("a bomb of aliases", NAMES_BOMB + "backbones: *l11\n", "must be a value or a list"),
    ("a bomb of merges", MERGE_BOMB + ONE, "'<<' is not supported"),
    ("a list in itself", "backbones: &a [*a]\n", "must be a value or a list"),
    ("a mapping in itself", "&a {backbones: *a}\n", "must be a value or a list"),
    ("a merge", ONE + "<<: {seeds: 2}\n", "'<<' is not supported"),
    ("a key twice", ONE + "periods: 2\nperiods: 3\n", "'periods' is given twice"),
    (
        "a key twice in JSON",
        '{"backbones": "scratch", "seeds": 1, "seeds": 2}',
        "'seeds' is given twice",
    ),
    ("depth", "[" * 50_000, "not valid YAML"),
    ("size", ONE + "# " + "x" * 100_000, "more than 100,000 bytes"),
    ("UTF-16", ONE.encode("utf-16"), "not UTF-8"),
    ("Latin-1", "backbones: scratch\ndata: Bären\n".encode("latin-1"), "not UTF-8"),
    ("bytes", bytes(range(256)), "not UTF-8"),
    ("a NUL", ONE.encode() + b"name: a\0b\n", "not valid YAML"),
    ("an escape sequence", ONE.encode() + b"name: \x1b[31mred\n", "not valid YAML"),
    ("an image", b"\x89PNG\r\n\x1a\n" + bytes(64), "not UTF-8"),
    ("a zip file", b"PK\x03\x04" + bytes(64), "not valid YAML"),
    ("an unknown key", ONE + "period: 3\n", "Did you mean 'periods'?"),
    ("a long unknown key", ONE + "k" * 5000 + ": 3\n", "not valid YAML"),
    ("a key of the class", ONE + "model_config: {}\n", "must be a value"),
    ("a private key", ONE + "__class__: x\n", "unknown key '__class__'"),
    ("an empty key", ONE + "'': 3\n", "unknown key ''"),
    ("nested values", ONE + "recipe: {momentum: 0.5}\n", "must be a value or a list"),
    ("unknown backbone", "periods: 3\n", "no backbone was given"),
    ("all and none", "all_backbones: false\n", "no backbone was given"),
    ("all perhaps", "all_backbones: perhaps\n", "true or false is needed"),
    ("all as a number", "all_backbones: 1\n", "true or false is needed"),
    ("backbones of nothing", "backbones:\n", "backbones: a list of backbone names"),
    ("backbones of no name", "backbones: []\n", "backbones: a list of backbone names"),
    ("backbones of null", "backbones: [null]\n", "unknown backbone 'None'"),
    ("backbones of a number", "backbones: 7\n", "a list of backbone names"),
    ("backbones of a truth", "backbones: yes\n", "a list of backbone names"),
    ("backbones of numbers", "backbones: [1, 2]\n", "unknown backbone '1'"),
    ("backbones of lists", "backbones: [[scratch]]\n", "must be a value or a list"),
    ("backbones of no names", "backbones: [{nam: scratch}]\n", "an entry lacks its name"),
    ("backbones of a key", "backbones: [{name: scratch, sise: 3}]\n", "unknown key 'sise'"),
    ("backbones of lists in it", "backbones: [{name: scratch, crop: [[3]]}]\n", "must be a value"),
    ("backbones misspelt", "backbones: [resnet43]\n", "Did you mean 'resnet34'?"),
    ("backbones with a path", "backbones: [../../etc/passwd]\n", "unknown backbone"),
    ("backbones with a newline", 'backbones: ["res\\nnet34"]\n', "unknown backbone"),
    ("backbones with an escape", 'backbones: ["\\e[31mscratch"]\n', "unknown backbone"),
    ("a backbone of many letters", f"backbones: [{'x' * 50_000}]\n", "unknown backbone"),
    ("data of nothing", ONE + "data:\n", "data: a folder with one folder per class"),
    ("data of no letter", ONE + "data: ''\n", "not a folder name"),
    ("data of a blank", ONE + "data: '  '\n", "not a folder name"),
    ("data of a number", ONE + "data: 7\n", "data: a folder with one folder per class"),
    ("data of a list", ONE + "data: [a, b]\n", "data: a folder with one folder per class"),
    ("data with a NUL", ONE + 'data: "a\\0b"\n', "not a folder name"),
    ("data with a newline", ONE + 'data: "a\\nb"\n', "not a folder name"),
    ("data with half a character", ONE + 'data: "\\ud800"\n', "not a folder name"),
    (
        "data of an unknown user",
        ONE + "data: ~nobody-of-that-name/x\n",
        "user that does not exist on this machine",
    ),
    ("data of a date", ONE + "data: 2024-01-01\n", "must be a value or a list"),
    ("data of bytes", ONE + "data: !!binary aGk=\n", "must be a value or a list"),
    ("a name of a number", ONE + "name: 12\n", "name: a text (in quotation marks if it"),
    ("a name of a list", ONE + "name: [a]\n", "name: a text (in quotation marks if it"),
    ("a name of a truth", ONE + "name: no\n", "name: a text (in quotation marks if it"),
]


PLACES = [
    ("missing.yaml", "No such file"),
    (".", "it is a folder"),
    ("", "it is a folder"),
    ("x" * 300, "name too long"),
    ("missing/study.yaml", "No such file"),
    ("file/study.yaml", "Not a directory"),
    ("loop", "Too many levels"),
    ("/dev/zero", "more than 100,000 bytes"),
    ("/dev/null", "must contain keys"),
    ("\udcff.yaml", "No such file"),
]


def read_spec(path: Path) -> Spec:
    """The spec in a file, as `orch submit` reads it."""
    return model.build(model.read_file(path))


@pytest.mark.parametrize(
    ("text", "words"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS]
)
def test_a_file_that_holds_no_spec_is_refused(
    text: str | bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason in one line; nothing is written beside the file."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "study.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    line = refusal(BadSpec, read_spec, path)

    assert words in line
    assert os.listdir(tmp_path) == ["study.yaml"]


@pytest.mark.parametrize(("place", "words"), PLACES, ids=[ascii(row[0])[:30] for row in PLACES])
def test_a_spec_file_that_cannot_be_read_is_refused(
    place: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither folders nor endless devices nor loops are read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    before = listing(tmp_path)

    line = refusal(BadSpec, read_spec, Path(place))

    assert words in line
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("backbones: !!python/object/apply:os.system ['touch owned']\n", "not valid YAML"),
        ('backbones: ["res\\nnet34"]\n', "Did you mean 'resnet34'?"),
        ('backbones: ["\\e[31mscratch"]\n', "unknown backbone '\\x1b[31mscratch'"),
        (f"backbones: [{'x' * 50_000}]\n", "unknown backbone 'xxx"),
        (ONE + "periods: 0\n", "periods: a whole number from 1 to 10,000 is needed"),
        (None, "No such file"),
    ],
    ids=["code", "newline", "escape", "many letters", "a wrong value", "missing"],
)
def test_submit_refuses_a_bad_spec_file(text: str | None, words: str, terminal: Terminal) -> None:
    """Exit code 2, one line that can be printed, and nothing written."""
    if text is not None:
        (terminal.folder / "study.yaml").write_text(text)

    terminal.refuses(("submit", "study.yaml"), words, ORCH_BROKER_URL=UNREACHABLE)


def test_a_spec_file_with_the_mark_that_windows_writes_is_read(tmp_path: Path) -> None:
    """A byte order mark is no error."""
    (tmp_path / "study.yaml").write_text(ONE, encoding="utf-8-sig")

    assert model.read_file(tmp_path / "study.yaml") == {"backbones": "scratch"}


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet=string.printable, max_size=60)
    | st.binary(max_size=60).map(lambda b: b.decode("latin-1"))
)
def test_any_text_is_a_spec_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """Text of any kind after a good first line is read as keys and values, or refused."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(ONE + text, encoding="utf-8", newline="")

    try:
        values = model.read_file(path)
    except BadSpec:
        return

    assert values.keys() <= Spec.model_fields.keys()


def test_a_key_with_two_spellings_is_refused(tmp_path: Path) -> None:
    """Otherwise the last one would win without a word."""
    path = tmp_path / "twice.yaml"
    path.write_text("backbones: [scratch]\noptimizer: adamw\noptimiser: sgd\n")

    with pytest.raises(BadSpec, match="optimiser and optimizer are the same key"):
        model.read_file(path)
