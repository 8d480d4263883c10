"""Specs and options of every wrong kind: each is one clear line and leaves nothing behind."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.attacks import UNREACHABLE, Bad, Desk, make_desk

from jobs.errors import BadSpec
from jobs.spec import explain, model
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
    ("a number as key", "1: 2\n", "must contain keys and values"),
    ("null as key", "? \n: 2\n", "must contain keys and values"),
    ("a truth as key", "yes: 2\n", "must contain keys and values"),
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
    ("no backbone", "periods: 3\n", "no backbone was given"),
    ("all and none", "all_backbones: false\n", "no backbone was given"),
    ("all perhaps", "all_backbones: perhaps\n", "true or false is needed"),
    ("all as a number", "all_backbones: 1\n", "true or false is needed"),
    ("backbones of nothing", "backbones:\n", "backbones"),
    ("backbones of no name", "backbones: []\n", "backbones"),
    ("backbones of null", "backbones: [null]\n", "unknown backbone 'None'"),
    ("backbones of a number", "backbones: 7\n", "a list of backbone names"),
    ("backbones of a truth", "backbones: yes\n", "a list of backbone names"),
    ("backbones of numbers", "backbones: [1, 2]\n", "unknown backbone '1'"),
    ("backbones of lists", "backbones: [[scratch]]\n", "must be a value or a list"),
    ("backbones of mappings", "backbones: [{name: scratch}]\n", "must be a value or a list"),
    ("backbones misspelt", "backbones: [resnet43]\n", "Did you mean 'resnet34'?"),
    ("backbones with a path", "backbones: [../../etc/passwd]\n", "unknown backbone"),
    ("backbones with a newline", 'backbones: ["res\\nnet34"]\n', "unknown backbone"),
    ("backbones with an escape", 'backbones: ["\\e[31mscratch"]\n', "unknown backbone"),
    ("a backbone of many letters", f"backbones: [{'x' * 50_000}]\n", "unknown backbone"),
    ("data of nothing", ONE + "data:\n", "data"),
    ("data of no letter", ONE + "data: ''\n", "not a folder name"),
    ("data of a blank", ONE + "data: '  '\n", "not a folder name"),
    ("data of a number", ONE + "data: 7\n", "data"),
    ("data of a list", ONE + "data: [a, b]\n", "data"),
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

NUMBERS: dict[str, list[str]] = {
    "periods": [
        "0",
        "-3",
        "three",
        "yes",
        "2.5",
        ".nan",
        ".inf",
        "[3]",
        "10001",
        "1" + "0" * 60,
        "1" + "0" * 5000,
        "null",
        "''",
        "2024-01-01",
        "{a: 1}",
        "٣",
        "1e400",
    ],
    "epochs_per_period": ["0", "-1", "x", "true", "0.5", "100001", "[]", "-.inf"],
    "seeds": ["0", "-1", "many", "true", "1.5", "10001", "[0, 1]", ".nan"],
    "image_size": ["0", "-64", "7", "31", "2049", "64px", "true", "64.5", "[64, 64]", ".inf"],
    "batch_size": ["0", "-1", "65537", "large", "true", "0.1", "[32]"],
    "learning_rate": ["0", "-0.1", ".nan", ".inf", "-.inf", "fast", "true", "[0.1]", "''", "1e400"],
    "momentum": ["-0.1", "1", "1.5", ".nan", "true", "x"],
    "plateau_patience": ["-1", "1.5", "true", "x", "1" + "0" * 40],
    "plateau_factor": ["0", "1", "2", "-0.5", ".nan", "true"],
    "split_seed": ["-1", "2147483648", "x", "true", "0.5"],
    "split": [
        "70",
        "[70, 30]",
        "[70, 10, 10, 10]",
        "[100, 0, 0]",
        "[50, 50, 50]",
        "[-10, 60, 50]",
        "[70, 10, x]",
        "[70, 10, true]",
        "[.nan, 10, 20]",
        "[70.5, 9.5, 20]",
        "'70,10,20'",
        "{train: 70}",
        "!!set {70, 10, 20}",
    ],
    "weights": ["cifar", "0", "[imagenet]", "true", "''", "ImageNet", "null"],
    "precision": ["fp64", "16", "true", "[bf16]", "''", "null"],
    "skip_broken": ["maybe", "2", "[true]", "''", "null"],
}
VALUES = [(key, value) for key, values in NUMBERS.items() for value in values]

NAMES = [
    "../up",
    "a/b",
    "/absolute",
    ".",
    "..",
    ".hidden",
    "-dash",
    "",
    " ",
    "a b",
    "a\nb",
    "a\0b",
    "a\x1b[31mb",
    "ä",
    "x" * 81,
    "x" * 300,
    "a\\b",
    "a:b",
    "$(id)",
    "<b>",
    "a*",
    "\ud800",
    "nul\u2028l",
]

WORDS: list[Bad] = [
    Bad((*words,), fragment)
    for words, fragment in [
        (["--periods", "0"], "periods"),
        (["--periods", "1.5"], "a whole number"),
        (["--periods", ""], "a whole number"),
        (["--periods", "nan"], "a whole number"),
        (["--periods", "9" * 5000], "--periods"),
        (["--periods", "10001"], "periods"),
        (["--epochs-per-period", "-1"], "epochs_per_period"),
        (["--epochs-per-period", "x"], "a whole number"),
        (["--epochs-per-period", "100001"], "epochs_per_period"),
        (["--periods", "10000", "--epochs-per-period", "100000"], "give fewer periods"),
        (["--periods", "10000", "--seeds", "10000"], "give fewer periods"),
        (["--image-size", "7"], "image_size"),
        (["--image-size", "64x64"], "a whole number"),
        (["--image-size", "1" + "0" * 30], "image_size"),
        (["--batch-size", "-32"], "batch_size"),
        (["--batch-size", "65537"], "batch_size"),
        (["--batch-size", "all"], "a whole number"),
        (["--learning-rate", "inf"], "learning_rate"),
        (["--learning-rate", "-1"], "learning_rate"),
        (["--learning-rate", "0,1"], "a number, such as"),
        (["--learning-rate", "1e999"], "learning_rate"),
        (["--weights", "IMAGENET1K"], "one of imagenet, none"),
        (["--weights", ""], "one of imagenet, none"),
        (["--seeds", "-1"], "seeds"),
        (["--seeds", "0,1"], "a whole number"),
        (["--seeds", "10001"], "seeds"),
        (["--precision", "fp16"], "one of auto, fp32, bf16"),
        (["--precision", ""], "one of auto, fp32, bf16"),
        (["--data", ""], "not a folder name"),
        (["--data", " "], "not a folder name"),
        (["--data", "a\nb"], "not a folder"),
        (["--data", "~nobody-of-that-name"], "does not exist"),
        (["--backbone", "\x1b]0;owned\x07"], "unknown backbone"),
        (["--backbone", "x" * 9000], "unknown backbone"),
        (["--all-backbones"], "Give only one of them"),
        (["--workers", "257"], "--workers"),
        (["--workers", "two"], "--workers"),
        (["--skip-broken=yes"], "--skip-broken"),
        (["--wait=1"], "--wait"),
        (["--jsn"], "--json"),
        (["--store", ""], "--store is empty"),
        (["--store", "~nobody-of-that-name/x"], "does not exist"),
        *(
            (["--workers", "1", "--device", name], "is not a device")
            for name in ("", "cuda:", "cuda:-1", "cuda:0 ", "cpu:0", "mps", "CPU", "0")
        ),
        (["--workers", "1", "--device", "cuda:" + "9" * 30], "there is no cuda:999"),
        (["one.yaml", "two.yaml"], "unexpected extra argument"),
    ]
]


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    """A desk whose broker no one reaches, so that a request that is wrongly taken ends there."""
    made = make_desk(tmp_path, monkeypatch, capsys)
    monkeypatch.setenv("ORCH_BROKER_URL", UNREACHABLE)
    return made


@pytest.mark.parametrize(
    ("text", "fragment"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS]
)
def test_a_spec_that_is_no_spec_is_refused(text: str | bytes, fragment: str, desk: Desk) -> None:
    """Whatever the file holds, it is read as plain values or refused, and no code in it runs."""
    (desk.folder / "study.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())

    desk.refuses(Bad(("submit", "study.yaml"), fragment))


@pytest.mark.parametrize(
    ("key", "value"), VALUES, ids=[f"{key}: {value[:24]}" for key, value in VALUES]
)
def test_a_wrong_value_is_refused_with_its_key(key: str, value: str, desk: Desk) -> None:
    """The line begins with the key that holds the wrong value, or says what YAML could not read."""
    (desk.folder / "study.yaml").write_text(f"{ONE}{key}: {value}\n")

    line = desk.refuses(Bad(("submit", "study.yaml"), ""))

    assert key in line or "not valid YAML" in line
    assert "Input should" not in line


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_could_leave_its_place_is_refused(name: str, desk: Desk) -> None:
    """A run's name becomes a folder's, so only plain letters, digits, dots and dashes are taken."""
    desk.refuses(Bad(("submit", "--backbone", "scratch", "--name", name), "name: "))


@pytest.mark.parametrize("row", WORDS, ids=lambda row: " ".join(row.arguments)[:60])
def test_a_wrong_option_of_submit_is_refused(row: Bad, desk: Desk) -> None:
    """Each option says what it takes."""
    desk.refuses(Bad(("submit", "--backbone", "scratch", *row.arguments), row.fragment))


@pytest.mark.parametrize(
    ("place", "fragment"),
    [
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
    ],
)
def test_a_spec_that_cannot_be_read_is_refused(place: str, fragment: str, desk: Desk) -> None:
    """Neither folders nor endless devices nor loops are read."""
    (desk.folder / "file").touch()
    (desk.folder / "loop").symlink_to("loop")

    desk.refuses(Bad(("submit", place), fragment))


def test_a_spec_with_the_mark_that_windows_writes_is_read(desk: Desk) -> None:
    """A byte order mark is no error."""
    (desk.folder / "study.yaml").write_text(ONE, encoding="utf-8-sig")

    assert model.read_file(desk.folder / "study.yaml") == {"backbones": "scratch"}


NEEDS = {
    "periods": (0, "a whole number from 1 to 10,000 is needed (given: 0)."),
    "learning_rate": (-1, "a number above 0 is needed (given: -1)."),
    "momentum": (2, "a number of at least 0 and below 1 is needed (given: 2)."),
    "early_stop": ("x", "a whole number from 1 to 1,000,000 or none is needed (given: 'x')."),
    "weights": ("cifar", "one of imagenet, none is needed (given: 'cifar')."),
    "skip_broken": ("maybe", "true or false is needed (given: 'maybe')."),
    "split": (
        [70, 30],
        "three percentages of at least 1 that sum to 100, such as [70, 10, 20], is needed",
    ),
    "backbones": ([], "a list of backbone names, or 'all', is needed (given: ())."),
    "data": (7, "a folder with one folder per class, or 'digits', is needed (given: 7)."),
    "corruptions": (7, "corruptions: "),
    "checkpoint_every": ([], "a duration is needed"),
}


@pytest.mark.parametrize("key", NEEDS)
def test_each_key_says_what_it_takes(key: str) -> None:
    """In our words, with its bounds, whatever pydantic calls the error."""
    value, said = NEEDS[key]
    with pytest.raises(BadSpec) as refusal:
        model.build({"backbones": "scratch", key: value})

    assert str(refusal.value).startswith(f"{key}: ")
    assert said in str(refusal.value)


@pytest.mark.parametrize("key", Spec.model_fields)
def test_what_a_key_takes_can_be_said_of_every_one(key: str) -> None:
    """A new key needs words, or a type that says it."""
    said = explain.describe_key(key, Spec.model_fields[key])

    assert re.match(r"(an?|one of|true or false)\b", said)
    assert said != "a number"


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
KEYS = st.sampled_from([*Spec.model_fields, "all_backbones", "backbone", "patience"]) | st.text(
    max_size=12
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, PLAIN | st.lists(PLAIN, max_size=4), max_size=6))
def test_any_values_make_a_spec_or_one_clear_error(values: dict[str, object]) -> None:
    """Whatever values come, a spec is built that keeps its own rules, or `BadSpec` says why not."""
    try:
        made = model.build({"backbones": "scratch"} | values)
    except BadSpec as error:
        assert not re.search(r"Input should|unable to parse|validation error|type=", str(error))  # noqa: PT017
        return

    assert Spec(**made.model_dump()) == made
    assert 2 * made.periods * made.seeds * len(made.backbones) <= 100_000


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
