"""The model card of an exported network says what is known of the weights that it began with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from support.fakes import fill_store

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from jobs.task import Task
from models.export import card


@pytest.mark.parametrize(
    ("weights", "licence", "told"),
    [
        ("imagenet", "apache-2.0", "imagenet, licence: apache-2.0"),
        ("imagenet", None, "imagenet, licence: unknown, see their source"),
        ("none", None, "random"),
    ],
)
def test_the_licence_of_the_initial_weights_is_told(
    weights: str, licence: str | None, told: str, tmp_path: Path
) -> None:
    """As their library stated it when the network was trained; it is never guessed."""
    store, run = fill_store(tmp_path, backbones=["vgg16"], periods=1, pixels=False)
    task = Task("train", run.trials[0], 2)
    result = store.done(task)
    assert result is not None
    origin = card.Origin(
        run.name,
        replace(store.load_trial(task.subject), weights=weights),
        task,
        structs.replace(result, weights_licence=licence),
        None,
        store.described(run.data),
    )

    assert f"| initial weights | {told} |" in card.card(origin, ["torch"], {})
    assert json.loads(card.provenance(origin, {}))["weights_licence"] == licence
