"""Wrong options of `orch submit`: each is one clear line and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest
from support.refusals import UNREACHABLE, Terminal, refusal

from jobs.errors import BadSpec
from orchestrator.submission import begin, request

ASKED: dict[str, Any] = {"all_backbones": False, "backbones": ("scratch",)}

OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"periods": 0}, "periods: a whole number from 1 to 10,000"),
    ({"periods": 10001}, "periods: a whole number from 1 to 10,000"),
    ({"epochs_per_period": -1}, "epochs_per_period: a whole number from 1 to 100,000"),
    ({"epochs_per_period": 100001}, "epochs_per_period: a whole number from 1 to 100,000"),
    (
        {"periods": 10000, "epochs_per_period": 100000},
        "give fewer periods or fewer epochs per period",
    ),
    ({"periods": 10000, "seeds": 10000}, "give fewer periods, seeds, splits or backbones"),
    ({"image_size": 7}, "image_size: a whole number from 8 to 2,048"),
    ({"image_size": 10**30}, "image_size: a whole number from 8 to 2,048"),
    ({"batch_size": -32}, "batch_size: a whole number from 1 to 65,536"),
    ({"batch_size": 65537}, "batch_size: a whole number from 1 to 65,536"),
    ({"learning_rate": float("inf")}, "learning_rate: a number above 0"),
    ({"learning_rate": -1.0}, "learning_rate: a number above 0"),
    ({"seeds": -1}, "seeds: a whole number from 1 to 10,000"),
    ({"seeds": 10001}, "seeds: a whole number from 1 to 10,000"),
    ({"data": ""}, "not a folder name"),
    ({"data": " "}, "not a folder name"),
    ({"data": "a\nb"}, "not a folder name"),
    ({"data": "~nobody-of-that-name"}, "does not exist"),
    ({"backbones": ("scratch", "\x1b]0;owned\x07")}, "unknown backbone"),
    ({"backbones": ("scratch", "x" * 9000)}, "unknown backbone"),
    ({"all_backbones": True}, "Give only one of them"),
]

WORDS = [
    (["--periods", "1.5"], "--periods '1.5': a whole number is needed"),
    (["--periods", ""], "a whole number"),
    (["--periods", "nan"], "a whole number"),
    (["--periods", "9" * 5000], "--periods"),
    (["--periods", "0"], "periods: a whole number from 1 to 10,000"),
    (["--epochs-per-period", "x"], "a whole number"),
    (["--image-size", "64x64"], "a whole number"),
    (["--batch-size", "all"], "a whole number"),
    (["--learning-rate", "0,1"], "learning_rate: a number above 0"),
    (["--learning-rate", "inf"], "learning_rate: a number above 0"),
    (["--learning-rate", "1e999"], "learning_rate: a number above 0"),
    (["--weights", "IMAGENET1K"], "one of imagenet, none"),
    (["--weights", ""], "one of imagenet, none"),
    (["--seeds", "0,1"], "a whole number"),
    (["--precision", "fp16"], "one of auto, fp32, bf16"),
    (["--precision", ""], "one of auto, fp32, bf16"),
    (["--data", ""], "not a folder name"),
    (["--name", ""], "at most 80 letters, digits"),
    (["--workers", "200", "--device", "cpu"], "such as one for each core"),
    (["--name", "-dash"], "at most 80 letters, digits"),
    (["--backbone", "\x1b]0;owned\x07"], "unknown backbone"),
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


@pytest.mark.parametrize(("options", "words"), OPTIONS, ids=[str(row[0])[:60] for row in OPTIONS])
def test_options_that_make_no_spec_are_refused(options: dict[str, Any], words: str) -> None:
    """With the key and what it takes."""
    line = refusal(BadSpec, lambda: begin.spec_of(None, request.given_keys(ASKED | options)))

    assert words in line


@pytest.mark.parametrize(("typed", "words"), WORDS, ids=[" ".join(row[0])[:60] for row in WORDS])
def test_submit_refuses_a_wrong_option(typed: list[str], words: str, terminal: Terminal) -> None:
    """Exit code 2, what the option takes, and nothing written."""
    terminal.refuses(
        ("submit", "--backbone", "scratch", *typed), words, ORCH_BROKER_URL=UNREACHABLE
    )
