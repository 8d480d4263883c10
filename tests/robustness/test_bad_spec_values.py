"""Wrong values in a spec: each is refused with its key, and with what the key takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.refusals import refusal

from jobs.errors import BadSpec
from jobs.spec import keys, model, value_errors
from jobs.spec.model import Spec

ONE = "backbones: scratch\n"
TRUTH = "a number is needed, not true or false"
NO_VALUE = "must be a value or a list of values"
SHARES = "three percentages of at least 1 that sum to 100, such as [70, 10, 20], is needed"
SUM = "three percentages of at least 1 that sum to 100 are needed"
WORDS_OF_PYDANTIC = r"Input should|unable to parse|validation error|type="
LONG = "1" + "0" * 5000

VALUES: dict[str, dict[str, list[str]]] = {
    "periods": {
        "a whole number from 1 to 10,000 is needed": [
            *("0", "-3", "three", "2.5", ".nan", ".inf", "[3]", "10001", "1" + "0" * 60),
            *("null", "''", "٣", "1e400"),
        ],
        TRUTH: ["yes"],
        NO_VALUE: ["2024-01-01", "{a: 1}"],
    },
    "epochs_per_period": {
        "a whole number from 1 to 100,000 is needed": [
            *("0", "-1", "x", "0.5", "100001", "[]", "-.inf")
        ],
        TRUTH: ["true"],
    },
    "seeds": {
        "a whole number from 1 to 10,000 is needed": [
            *("0", "-1", "many", "1.5", "10001", "[0, 1]", ".nan")
        ],
        TRUTH: ["true"],
    },
    "image_size": {
        "a whole number from 8 to 2,048, or 'native', is needed": [
            *("0", "-64", "7", "2049", "64px", "64.5", "[64, 64]", ".inf")
        ],
        " 31 is too small for scratch; it needs 32 or more": ["31"],
        TRUTH: ["true"],
    },
    "resize": {"one of native, squash, crop, pad is needed": ["stretch", "3", "null", "yes"]},
    "interpolation": {"one of native, nearest, bilinear, bicubic, lanczos is": ["area", "[]"]},
    "crop": {"a share above 0.1 and at most 1, or 'native', is": ["0", "1.01", "87%", ".nan"]},
    "mean": {
        "a list of three numbers from -1 to 2": ["0.5", "[1, 2]", "[0, 0, 3]", "1,2,x", "yes"],
    },
    "deviation": {"a list of three numbers from 0.001 to 10": ["[0, 1, 1]", "[.nan, 1, 1]"]},
    "batch_size": {
        "a whole number from 1 to 65,536 is needed": ["0", "-1", "65537", "large", "0.1", "[0]"],
        TRUTH: ["true"],
    },
    "learning_rate": {
        "a number above 0 is needed": [
            *("0", "-0.1", ".nan", ".inf", "-.inf", "fast", "[-0.1]", "''", "1e400")
        ],
        TRUTH: ["true"],
    },
    "momentum": {
        "a number of at least 0 and below 1 is needed": ["-0.1", "1", "1.5", ".nan", "x"],
        TRUTH: ["true"],
    },
    "plateau_patience": {
        "a whole number from 0 to 1,000,000 is needed": ["-1", "1.5", "x", "1" + "0" * 40],
        TRUTH: ["true"],
    },
    "plateau_factor": {
        "a number above 0 and below 1 is needed": ["0", "1", "2", "-0.5", ".nan"],
        TRUTH: ["true"],
    },
    "split_seed": {
        "a whole number of at least 0 and below 2,147,483,648 is needed": [
            *("-1", "2147483648", "x", "0.5")
        ],
        TRUTH: ["true"],
    },
    "split": {
        SHARES: [
            *("70", "[70, 30]", "[70, 10, 10, 10]", "[70, 10, x]", "[.nan, 10, 20]"),
            *("[70.5, 9.5, 20]", "'70,10,20'"),
        ],
        SUM: ["[100, 0, 0]", "[50, 50, 50]", "[-10, 60, 50]"],
        TRUTH: ["[70, 10, true]"],
        NO_VALUE: ["{train: 70}", "!!set {70, 10, 20}"],
    },
    "weights": {
        "one of imagenet, none is needed": [
            *("cifar", "0", "[imagenet]", "true", "''", "ImageNet", "null")
        ]
    },
    "precision": {
        "one of auto, fp32, bf16 is needed": ["fp64", "16", "true", "[fp64]", "''", "null"]
    },
    "skip_broken": {"true or false is needed": ["maybe", "2", "[true]", "''", "null"]},
}
ROWS = [
    (key, value, words)
    for key, needs in VALUES.items()
    for words, values in needs.items()
    for value in values
]

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

FOLDERS = ["", "a\0b", "a\nb", " ", "\ud800", "~nobody-of-that-name/x"]

NEEDS = {
    "periods": (0, "a whole number from 1 to 10,000 is needed (given: 0)."),
    "learning_rate": (-1, "a number above 0 is needed (given: -1)."),
    "momentum": (2, "a number of at least 0 and below 1 is needed (given: 2)."),
    "early_stop": ("x", "a whole number from 1 to 1,000,000 or none is needed (given: 'x')."),
    "weights": ("cifar", "one of imagenet, none is needed (given: 'cifar')."),
    "skip_broken": ("maybe", "true or false is needed (given: 'maybe')."),
    "split": ([70, 30], SHARES),
    "backbones": ([], "a list of backbone names, or 'all', is needed (given: ())."),
    "data": (
        7,
        "a folder with one folder per class, a table of labels, or 'digits' or 'digits-800', is "
        "needed (given: 7).",
    ),
    "corruptions": (7, "corruptions: "),
    "checkpoint_every": ([], "a duration is needed"),
}


def read_with(path: Path, text: str) -> Spec:
    """The spec of one backbone and this text, as `orch submit` reads it from a file."""
    path.write_text(ONE + text)
    return model.build(model.read_file(path))


@pytest.mark.parametrize(
    ("key", "value", "words"), ROWS, ids=[f"{key}: {value[:24]}" for key, value, _ in ROWS]
)
def test_a_wrong_value_is_refused_with_its_key(
    key: str, value: str, words: str, tmp_path: Path
) -> None:
    """The line names the key and says what it takes, in our words."""
    line = refusal(BadSpec, read_with, tmp_path / "study.yaml", f"{key}: {value}\n")

    assert key in line
    assert words in line
    assert "Input should" not in line


def test_a_number_of_too_many_digits_is_not_valid_yaml(tmp_path: Path) -> None:
    """The limit is that of Python itself; the line is short all the same."""
    line = refusal(BadSpec, read_with, tmp_path / "study.yaml", f"periods: {LONG}\n")

    assert "not valid YAML" in line


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    """A run's name becomes a folder's, so only plain letters, digits, dots and dashes are taken."""
    line = refusal(BadSpec, model.build, {"backbones": "scratch", "name": name})

    assert line.startswith("error: name: at most 80 letters, digits, '.', '_' and '-' are allowed")


@pytest.mark.parametrize("place", FOLDERS, ids=ascii)
def test_a_name_that_no_folder_can_have_is_refused_before_it_is_looked_for(place: str) -> None:
    """An empty variable in a script must not mean the working folder."""
    line = refusal(BadSpec, model.build, {"backbones": "scratch", "data": place})

    assert line.startswith("error: data: ")


@pytest.mark.parametrize(("key", "row"), NEEDS.items(), ids=NEEDS)
def test_each_key_says_what_it_takes(key: str, row: tuple[object, str]) -> None:
    """In our words, with its bounds, whatever pydantic calls the error."""
    value, words = row

    line = refusal(BadSpec, model.build, {"backbones": "scratch", key: value})

    assert line.startswith(f"error: {key}: ")
    assert words in line


@pytest.mark.parametrize("key", keys.KEYS)
def test_what_a_key_takes_can_be_said_of_every_one(key: str) -> None:
    """A new key needs words, or a type that says it."""
    said = value_errors.describe_key(key, Spec.model_fields[key])

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
        assert not re.search(WORDS_OF_PYDANTIC, str(error))  # noqa: PT017
        return

    assert Spec(**made.model_dump()) == made
    assert 2 * made.periods * made.seeds * len(made.backbones) <= 100_000
