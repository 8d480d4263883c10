"""What is offered for a word that orch does not know."""

from __future__ import annotations

import pytest
from support.refusals import Terminal

from jobs.errors import BadSpec
from jobs.spec import model, synonyms
from jobs.spec.keys import KEYS
from orchestrator.cli import COMMANDS
from orchestrator.terminal import command_words

OPTIONS = [
    ("--lr", "Did you mean '--learning-rate'?"),
    ("--epochs", "Did you mean '--epochs-per-period'?"),
    ("--model", "Did you mean '--backbone'?"),
    ("--backbones", "Did you mean '--backbone'?"),
    ("--bs", "Did you mean '--batch-size'?"),
    ("--imgsz", "Did you mean '--image-size'?"),
    ("--imge-size", "Did you mean '--image-size'?"),
    ("--gpus", "Did you mean '--device'?"),
    ("--momentum", "It is the key 'momentum' of a spec file, and has no option."),
    ("--val-split", "It is the key 'split' of a spec file, and has no option."),
    ("--class-weight", "Did you mean '--class-weights'?"),
    ("--wd", "Did you mean '--weight-decay'?"),
    ("--optim", "Did you mean '--optimiser'?"),
]
COMMAND_WORDS = [
    ("ls", "Did you mean 'status'?"),
    ("runs", "Did you mean 'status'?"),
    ("log", "Did you mean 'logs'?"),
    ("train", "Did you mean 'submit'?"),
    ("leaderboard", "Did you mean 'report'?"),
    ("help", "Did you mean 'orch --help'?"),
    ("delete", "Nothing was removed. Commands: submit,"),
    ("stop", "Nothing was stopped. Commands: submit,"),
    ("tune", "Give lists of values instead"),
]


@pytest.mark.parametrize(("typed", "words"), OPTIONS)
def test_an_option_of_another_program_is_answered(
    typed: str, words: str, terminal: Terminal
) -> None:
    """By the option for the same thing, or by saying that there is none yet."""
    terminal.refuses(("submit", typed, "1"), words)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("lr", "Did you mean 'learning_rate'?"),
        ("num-epochs", "Did you mean 'epochs_per_period'?"),
        ("Batch", "Did you mean 'batch_size'?"),
        ("dropout", "orch has no dropout yet."),
        ("max_grad_norm", "Did you mean 'clip_norm'?"),
        ("optim", "Did you mean 'optimiser'?"),
    ],
)
def test_a_key_of_another_program_is_answered(typed: str, words: str) -> None:
    """In a specification file as on the command line."""
    with pytest.raises(BadSpec, match="unknown key") as refused:
        model.build({"backbone": "scratch", typed: 1})

    assert words in str(refused.value)


@pytest.mark.parametrize(("typed", "words"), COMMAND_WORDS)
def test_a_command_of_another_program_is_answered(
    typed: str, words: str, terminal: Terminal
) -> None:
    """By the command for the same thing, where it stops and removes nothing."""
    terminal.refuses((typed,), words)


@pytest.mark.parametrize("command", sorted(command_words.DESTRUCTIVE))
def test_a_command_that_stops_or_removes_is_never_offered(command: str) -> None:
    """However it is misspelt, and not for words that resemble it."""
    near = {command[:place] + command[place + 1 :] for place in range(len(command))}
    near |= {command.upper(), f"{command}s", command[::-1], "clean", "show", "runs", "own"}

    offered = [command_words.advice(word, COMMANDS) for word in near]

    assert not [said for said in offered if said.startswith(f"Did you mean '{command}'")]


def test_an_option_that_removes_is_never_offered(terminal: Terminal) -> None:
    """`--repair` removes damaged files."""
    line = terminal.refuses(("verify", "x", "--repiar"), "No such option '--repiar'")

    assert "Did you mean" not in line


def test_every_word_leads_to_something_that_exists() -> None:
    """A word for a key that orch has is not also called missing."""
    assert set(synonyms.OTHER_WORDS) <= set(KEYS)
    assert set(command_words.OTHER_WORDS) <= set(COMMANDS) - command_words.DESTRUCTIVE
    assert not (synonyms.KEY_OF.keys() | KEYS.keys()) & synonyms.MISSING.keys()
    assert not set(KEYS) & synonyms.KEY_OF.keys()
    assert not set(COMMANDS) & (command_words.COMMAND_OF.keys() | command_words.SAID_OF.keys())
