"""What a second submission is told: the notes of the first, and whether trials begin anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.data import sources
from jobs.data.data_source import DataSource
from jobs.spec import model
from jobs.spec.model import Spec
from jobs.store.store import Store
from orchestrator import cli
from orchestrator.planning import schedule_length
from orchestrator.submission.run_creation import create_run

COSINE = {"schedule": "cosine", "epochs_per_period": 3}


def asked(**values: Any) -> tuple[Spec, DataSource]:
    """A specification on the built-in digits, and its data."""
    spec = model.build({"data": "digits-800", "backbones": ["scratch"], "image_size": 32} | values)
    return spec, sources.read(spec, lambda done, total: None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one run of one period of three epochs, with a cosine over all of them."""
    store = Store(tmp_path / "store").open(create=True)
    create_run(store, *asked(**COSINE, periods=1))
    return store


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({**COSINE, "periods": 2}, True),
        ({**COSINE, "periods": 2, "seeds": 2}, True),
        ({**COSINE, "periods": 1, "seeds": 2}, False),  # the recorded trial goes on, another is new
        ({**COSINE, "periods": 2, "learning_rate": 0.5}, False),
        ({**COSINE, "periods": 2, "backbones": ["squeezenet"]}, False),
        ({"schedule": "constant", "epochs_per_period": 3, "periods": 2}, False),
    ],
    ids=str,
)
def test_a_longer_schedule_is_told_only_where_it_makes_trials_begin_anew(
    values: dict[str, Any], told: bool, store: Store
) -> None:
    """Both lengths are said, and what plans for more periods."""
    lines = schedule_length.note(store, *asked(**values))

    assert bool(lines) == told
    assert all("after 6 epochs, and in scratch-s0-" in line for line in lines)
    assert all("after 3: such trials" in line and "horizon_epochs" in line for line in lines)


def test_the_first_submission_with_a_cosine_hears_nothing_of_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store need not exist."""
    monkeypatch.setenv("ORCH_STORE", str(tmp_path / "none"))
    words = ["--preset", "quick", "--backbone", "scratch", "--data", "digits-800"]

    code = cli.run(["submit", *words, "--no-workers", "--dry-run"])

    assert code == 0
    assert "schedule" not in capsys.readouterr().out


def test_the_notes_on_the_data_stay_with_the_run(store: Store) -> None:
    """Whoever submits it again, or asks for it with more periods, finds those of the first."""
    spec, source = asked(periods=1, name="noted")
    first = create_run(store, spec, source, notes=["2 images of a single colour: a.png, b.png"])

    again = create_run(store, *asked(periods=2, name="noted"))

    assert again.notes == first.notes == ("2 images of a single colour: a.png, b.png",)
    assert store.load_run("noted").notes == first.notes
