"""A ranking: what is asked for, when its tasks are ready, what it shows, and what it foretold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.fake_images import ANIMALS
from support.fake_rankings import publish_ranking, record_ranking
from support.fakes import fill_store

from jobs import atomic, plan, readiness
from jobs.catalog.backbones import CATALOG
from jobs.errors import BadSpec, MissingWeights, OrchError, RequestError
from jobs.maintenance import removal
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from jobs.task_title import task_title
from orchestrator.analysis.ranking import read_ranking
from orchestrator.api import RunHandle
from orchestrator.monitoring.status import run_status
from orchestrator.submission.rank import (
    left_out,
    no_random_weights,
    rank_spec,
    training_words,
    twins,
)
from orchestrator.terminal import ranking_table

NAMES = ("vgg16", "resnet34", "alexnet")


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Store, Run]:
    """A finished run of three networks; ResNet34 is the best, AlexNet the last."""
    return fill_store(
        tmp_path / "store",
        backbones=list(NAMES),
        classes=ANIMALS[:5],
        images_a_class=25,
        periods=2,
        pixels=False,
        name="study",
    )


def test_a_ranking_takes_of_a_specification_what_concerns_images_and_networks() -> None:
    """Its trials are those of the preset 'probe', whatever recipes the file asks for."""
    values = {"data": "/photos", "backbones": ["vgg16", "alexnet"], "seeds": 3, "mixup": 0.2}
    asked = rank_spec(values | {"learning_rate": [0.1, 0.01], "image_size": 96})
    probe = model.build(
        {"data": "/photos", "backbones": ["vgg16"], "image_size": 96, "preset": "probe"}
    )

    unfolded, of_probe = plan.unfold(asked, "photos-96px-1f3a9c2e"), plan.unfold(probe, "d")

    assert [task.kind for task in unfolded.tasks] == ["prepare", "rank", "rank"]
    assert unfolded.run.startswith("photos-rank-")
    assert unfolded.trials[0].recipe == of_probe.trials[0].recipe
    assert "rank" not in model.named_by(probe)


def test_without_a_choice_every_network_with_pretrained_weights_is_ranked() -> None:
    """However the key of networks is spelt, a choice counts."""
    every = rank_spec({"data": "/photos"}).backbones

    assert every == rank_spec({"data": "/photos", "backbones": "all"}).backbones
    assert set(every) == {name for name, one in CATALOG.items() if one.has_pretrained} - {*twins()}
    assert rank_spec({"data": "/photos", "backbone": "vgg16"}).backbones == ("vgg16",)


def test_of_networks_with_the_same_features_one_is_ranked_unless_they_are_named() -> None:
    """Which is said of a ranking of the whole catalog only."""
    named = rank_spec({"data": "/photos", "backbones": ["squeezenet", "squeezenet-finetuned"]})

    assert twins() == {"squeezenet-finetuned": "squeezenet"}
    assert named.backbones == ("squeezenet", "squeezenet-finetuned")
    assert left_out(named) == []
    (line,) = left_out(rank_spec({"data": "/photos"}))
    assert line.startswith("squeezenet-finetuned is not ranked: its frozen features are those of")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"backbones": ["vgg16", "scratch"], "data": "/photos"},
            "scratch: there are no pretrained",
        ),
        ({"backbones": "all", "data": "/photos", "weights": "none"}, "weights none: the features"),
        ({"backbones": ["vgg16"], "data": "digits"}, "Give --weights imagenet"),
        ({"backbones": ["vgg17"], "data": "/photos"}, "Did you mean 'vgg16'"),
        ({"backbones": ["vgg16"], "data": "/photos", "bakbone": "vgg16"}, "unknown key 'bakbone'"),
    ],
)
def test_random_weights_and_unknown_networks_are_refused(
    values: dict[str, object], said: str
) -> None:
    """With the reason in one line."""
    with pytest.raises(BadSpec, match=said):
        rank_spec(dict(values))


def test_missing_weights_are_told_without_advice_that_a_ranking_refuses() -> None:
    """Random weights help a training only."""
    told = "Put vgg16.pth into a folder, or use random weights with --weights none."

    with pytest.raises(MissingWeights) as caught, no_random_weights():
        raise MissingWeights(told)

    assert str(caught.value) == "Put vgg16.pth into a folder."


def test_all_backbones_are_those_with_pretrained_weights() -> None:
    """A network that never had any is left out, not refused."""
    assert "scratch" not in rank_spec({"backbones": "all", "data": "/photos"}).backbones


def test_the_command_that_trains_the_best_keeps_images_and_preparation() -> None:
    """What options cannot say is left to the specification."""
    asked = rank_spec(
        {"data": "/photos", "backbones": ["vgg16"], "image_size": 96, "skip_broken": True}
    )
    split = rank_spec({"data": "/photos", "backbones": ["vgg16"], "split_seed": 3})

    words = training_words(asked, ["vgg16"])

    assert words is not None
    assert words[:5] == ["submit", "--preset", "probe", "--backbone", "vgg16"]
    assert {"--image-size", "96", "--skip-broken", "--wait"} <= {*words}
    assert training_words(split, ["vgg16"]) is None


def test_rankings_are_ready_once_the_images_are_prepared(trained: tuple[Store, Run]) -> None:
    """No training becomes ready for their sake, though the trials may be those of another run."""
    store, study = trained
    run = record_ranking(store, study, ["vgg16", "alexnet"])
    tasks = [Task.parse(task) for task in run.tasks]

    ready = readiness.ready_tasks(store, run)

    assert run.data == study.data
    assert ready == tasks[1:]
    assert all(readiness.is_ready(store, task) for task in ready)
    assert set(readiness.next_tasks(store, tasks[0])) == {*ready}
    assert store.wanted_by(Task("train", run.trials[0], 1)) == []
    assert task_title(store, ready[0]) == "rank vgg16"
    assert atomic.read_json(store.run_path(run.name))["format"] == 3
    with pytest.raises(BadSpec):
        Task.parse(f"{ready[0].id}.blur-3")


def test_the_status_of_a_ranking_tells_its_probe_accuracy(trained: tuple[Store, Run]) -> None:
    """Not as a test accuracy: nothing was tested."""
    store, study = trained
    run = record_ranking(store, study, ["vgg16", "alexnet"])
    publish_ranking(store, run, {"vgg16": 0.9})

    status = run_status(store, store.load_run(run.name))

    assert status.ranks
    assert [trial.state for trial in status.trials] == ["done", "waiting"]
    assert [trial.probe_accuracy for trial in status.trials] == [0.9, None]
    assert [trial.accuracy for trial in status.trials] == [None, None]
    assert [trial.epochs_done for trial in status.trials] == [1, 0]


def test_networks_are_listed_best_first_with_intervals(trained: tuple[Store, Run]) -> None:
    """McNemar tells a clear difference apart, and not one of two images in 200."""
    store, study = trained
    run = record_ranking(store, study, NAMES)
    publish_ranking(store, run, {"alexnet": 0.7, "vgg16": 0.9, "resnet34": 0.91})

    ranking = RunHandle(store, run).ranking()
    told = json.loads(json.dumps(ranking.as_dict()))
    lines = list(ranking_table.lines(ranking))

    assert [one.backbone for one in ranking.networks] == ["resnet34", "vgg16", "alexnet"]
    assert ranking.best == ("resnet34", "vgg16")
    assert ranking.networks[2].behind
    assert ranking.networks[2].difference == pytest.approx(-0.21)
    assert ranking.networks[2].difference_high < 0
    for one in told["networks"]:
        half = 1.96 * (one["probe_accuracy"] * (1 - one["probe_accuracy"]) / 200) ** 0.5
        assert one["low"] == pytest.approx(one["probe_accuracy"] - half, abs=0.01)
        assert one["high"] == pytest.approx(one["probe_accuracy"] + half, abs=0.01)
    assert told["seconds"] == pytest.approx(12)
    assert lines[1].startswith("resnet34   91.0%")
    assert "not significantly behind it: vgg16; significantly behind: alexnet (by 21.0" in lines[-2]
    assert any("test images were not used" in line for line in lines)


def test_images_of_a_group_are_drawn_together(trained: tuple[Store, Run]) -> None:
    """Ten groups of twenty tell less than 200 images."""
    store, study = trained
    free, grouped = (record_ranking(store, study, ["vgg16"], name=name) for name in ("a", "b"))
    publish_ranking(store, free, {"vgg16": 0.8})
    before = read_ranking(store, free).networks[0]
    for table in ("rankings", "ranking_answers"):
        for path in (store.root / "results" / table).glob("*/*.parquet"):
            path.unlink()
    store.done_path(Task("rank", grouped.trials[0])).unlink()
    (store.attempts_folder(Task("rank", grouped.trials[0])) / "1").rename(store.root / "old")
    groups = {f"{n:03d}.jpg": f"group {n // 20}" for n in range(200)}
    publish_ranking(store, grouped, {"vgg16": 0.8}, groups)

    ranking = read_ranking(store, grouped)

    assert (ranking.groups, ranking.method) == (10, "permutation")
    after = ranking.networks[0]
    assert after.high - after.low > 3 * (before.high - before.low)


def test_few_groups_tell_nothing_apart(trained: tuple[Store, Run]) -> None:
    """Two groups have four signs, so no difference of theirs is significant."""
    store, study = trained
    run = record_ranking(store, study, NAMES)
    groups = {f"{number:03d}.jpg": f"group {number % 2}" for number in range(200)}
    publish_ranking(store, run, {"resnet34": 0.9, "vgg16": 0.5, "alexnet": 0.4}, groups)
    ranking = read_ranking(store, run)

    assert all((one.p or 1) > 0.4 and not one.behind for one in ranking.networks)


def test_a_network_that_failed_is_named_with_its_reason(trained: tuple[Store, Run]) -> None:
    """The others are ranked all the same; without any, that is an error."""
    store, study = trained
    run = record_ranking(store, study, ["vgg16", "alexnet"])
    with pytest.raises(OrchError, match="has ranked no network yet"):
        read_ranking(store, run)
    with pytest.raises(RequestError, match="trains networks, and ranks none"):
        read_ranking(store, study)
    publish_ranking(store, run, {"vgg16": 0.9})
    failed = Task("rank", next(name for name in run.trials if name.startswith("alexnet")))
    atomic.write_json(store.failed_path(failed), {"failure": "bad-spec", "message": "no head."})

    ranking = read_ranking(store, run)

    assert [one.backbone for one in ranking.networks] == ["vgg16"]
    assert ranking.missing == {"alexnet": "no head."}


def test_features_go_with_the_images_that_they_are_of(trained: tuple[Store, Run]) -> None:
    """Those of other images stay."""
    store, study = trained
    store.features_folder.mkdir()
    for name, data in (("mine", study.data), ("other", "other-64px-00000000")):
        facts = {"file": f"{name}-1.npy", "sha256": "0", "data": data, "backbone": "vgg16"}
        atomic.write_json(store.features_folder / f"{name}.json", {**facts, "shape": [1, 2]})
        (store.features_folder / f"{name}-1.npy").write_bytes(b"features")

    removal.remove_run(store, study)

    assert sorted(atomic.list_names(store.features_folder)) == ["other-1.npy", "other.json"]
