"""Evaluations on corrupted images: the request, the tasks, the images and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from jobs import plan
from jobs.catalog import corruptions
from jobs.catalog.corruptions import CORRUPTIONS, SEVERITIES
from jobs.errors import BadSpec
from jobs.spec import model
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.analysis import robustness
from orchestrator.monitoring import status

VARIANTS = [
    corruptions.level_name(name, severity) for name in CORRUPTIONS for severity in SEVERITIES
]


def asked(**values: Any) -> model.Spec:
    """A spec of two small networks."""
    return model.build(
        {"backbones": ["scratch", "squeezenet"], "periods": 2, "epochs_per_period": 1, **values}
    )


@pytest.mark.parametrize(
    "task_id", [f"evaluate.vgg16-s0-1f3a9c2e.0010.{word}" for word in VARIANTS]
)
def test_a_harder_test_has_an_id_of_its_own(task_id: str) -> None:
    """A task id is parsed back to the same task."""
    task = Task.parse(task_id)

    assert task.id == task_id == task.lease_key
    assert (task.kind, task.epoch, task.variant) == ("evaluate", 10, task_id.rpartition(".")[2])


@pytest.mark.parametrize(
    "end",
    ["", "blur", "blur-0", "blur-6", "blur-03", "blur-3.", "BLUR-3", "fog-1", "../x", "blur-³"],
)
def test_any_other_word_is_no_task(end: str) -> None:
    """Other kinds of tasks have no corruption either."""
    with pytest.raises(BadSpec, match="is not a task id"):
        Task.parse(f"evaluate.vgg16-s0-1f3a9c2e.0010.{end}")
    with pytest.raises(BadSpec, match="is not a task id"):
        Task.parse("train.vgg16-s0-1f3a9c2e.0010.blur-3")


def test_corruptions_are_asked_for_by_name_or_all() -> None:
    """As a list or with commas, in catalog order. An unknown name is rejected with a suggestion."""
    built = asked(corruptions="noise, blur,noise")

    assert built.corruptions == ("blur", "noise")
    assert asked(corruptions=["noise", "blur"]) == built
    assert asked(corruptions="all").corruptions == CORRUPTIONS
    assert asked(corruptions="none") == asked()
    for bad, hint in (
        ("blurr", "Did you mean 'blur'"),
        (7, "a list of corruptions"),
        (["all", "blur"], "'all'"),
    ):
        with pytest.raises(BadSpec, match=hint):
            asked(corruptions=bad)


def test_every_trial_is_tested_after_its_last_period() -> None:
    """Five severities each, after the trial's own tasks; the trials are the same as without
    corruptions.
    """
    plain, harder = (
        plan.unfold(asked(corruptions=names), "d-32px-00000000") for names in ("none", "blur,jpeg")
    )
    more = [task.id for task in harder.tasks if task not in plain.tasks]

    assert harder.run != plain.run
    assert harder.trials == plain.trials
    assert more == [
        f"evaluate.{trial.name}.0002.{word}-{severity}"
        for trial in harder.trials
        for word in ("blur", "jpeg")
        for severity in SEVERITIES
    ]


def test_harder_tests_are_ready_once_the_last_mark_is_trained(tmp_path: Path) -> None:
    """Not before. They come last in the queue, and only the run that requested them needs them."""
    store, run = fill_store(
        tmp_path,
        backbones=["scratch"],
        classes=("a", "b"),
        periods=2,
        epochs_per_period=1,
        harder=["blur"],
        name="harder",
        finished=lambda task: task.kind != "evaluate" and task.epoch < 2,
    )
    trial, before = run.trials[0], plan.ready_tasks(store, run)
    _, same = fill_store(
        tmp_path,
        backbones=["scratch"],
        classes=("a", "b"),
        periods=2,
        epochs_per_period=1,
        name="plain",
        finished=lambda task: task.kind == "train",
    )
    ready = plan.ready_tasks(store, run)
    test = Task("evaluate", trial, 2, "blur-1")

    assert same.trials == run.trials
    assert not any(task.variant for task in plan.ready_tasks(store, same))
    assert before == [Task("evaluate", trial, 1), Task("train", trial, 2)]
    assert ready == [
        Task("evaluate", trial, 1),
        Task("evaluate", trial, 2),
        *(Task("evaluate", trial, 2, f"blur-{severity}") for severity in SEVERITIES),
    ]
    assert plan.is_ready(store, test)
    assert plan.priority(test) == 9
    assert [run.name for run in store.wanted_by(test)] == ["harder"]
    assert {run.name for run in store.wanted_by(Task("evaluate", trial, 2))} == {"harder", "plain"}
    store.cancel("harder")
    assert not plan.is_ready(store, test)


def test_a_run_is_not_over_before_its_harder_tests(tmp_path: Path) -> None:
    """The trial is waiting although everything else of it is done."""
    store, run = fill_store(
        tmp_path,
        backbones=["scratch"],
        classes=("a", "b"),
        harder=["noise"],
        finished=lambda task: not task.variant,
    )
    found = status.run_status(store, run)

    assert found.tasks == {"done": 7, "open": 5}
    assert (found.state, found.trials[0].state) == ("waiting", "waiting")


@pytest.fixture
def compared(tmp_path: Path) -> tuple[Store, Run]:
    """Three networks of two seeds, tested on two corruptions."""
    return fill_store(
        tmp_path / "store",
        backbones=["scratch", "alexnet", "resnet34"],
        classes=("ape", "bear", "cat"),
        seeds=2,
        periods=2,
        pixels=False,
        harder=["blur", "jpeg"],
    )


def test_the_corruption_error_is_that_of_the_paper() -> None:
    """By hand: errors 0.2 five times against 0.4 five times. The reference is 1; missing values are
    not guessed.
    """
    mine, theirs = [0.8] * 5, [0.6] * 5

    assert robustness.corruption_error(mine, theirs) == pytest.approx(0.5)
    assert robustness.corruption_error(theirs, theirs) == 1
    assert robustness.corruption_error([0.9, 0.8, 0.7, 0.6, 0.5], theirs) == pytest.approx(
        1.5 / 2.0
    )
    assert robustness.corruption_error([*mine[:4], None], theirs) is None
    assert robustness.corruption_error(mine, [1.0] * 5) is None


def test_the_report_tells_of_harder_images(compared: tuple[Store, Run], tmp_path: Path) -> None:
    """AlexNet is the reference, means over seeds equal those of the rows, and the page has a table
    and a figure.
    """
    for name in ("matplotlib", "jinja2", "scipy"):
        pytest.importorskip(name, reason=f"{name} is not installed (extra 'report')")
    from orchestrator.analysis import run_data
    from orchestrator.report import write
    from orchestrator.report.sections.robustness import facts, section

    store, run = compared
    found = run_data.read_run_data(store, run)
    rows = tables.read_rows(store.root, "evaluations", run.trials).to_pylist()
    mine = [
        row["accuracy"]
        for row in rows
        if (row["backbone"], row["corruption"], row["severity"]) == ("resnet34", "blur", 3)
    ]
    assert found.robustness is not None
    by_name = {one.backbone: one for one in found.robustness.networks}
    section, facts = section(found), facts(found.robustness)
    page = write.write_report(store, run, tmp_path / "report")

    assert len(mine) == 2
    assert found.robustness.reference == "alexnet"
    assert by_name["alexnet"].mean_error == 1
    assert by_name["resnet34"].mean_error is not None
    assert by_name["resnet34"].mean_error < 1
    assert by_name["resnet34"].accuracies["blur", 3] == pytest.approx(sum(mine) / 2)
    assert section is not None
    assert facts is not None
    assert len(facts["networks"][0]["accuracies"]) == 10
    assert "Corrupted images" in page.read_text()
    assert (page.parent / "figures" / "corruptions.svg").exists()


def test_open_harder_tests_do_not_hold_the_ranking_back(tmp_path: Path) -> None:
    """The last period is compared although no corrupted image is evaluated yet; there is no such
    section.
    """
    for name in ("matplotlib", "jinja2", "scipy"):
        pytest.importorskip(name, reason=f"{name} is not installed (extra 'report')")
    from orchestrator.analysis import run_data
    from orchestrator.report import summary
    from orchestrator.report.sections.robustness import facts, section

    store, run = fill_store(
        tmp_path,
        backbones=["scratch", "resnet34"],
        classes=("ape", "bear"),
        periods=2,
        pixels=False,
        harder=["blur"],
        finished=lambda task: not task.variant,
    )
    found = run_data.read_run_data(store, run)

    assert found.lead is not None
    assert found.lead.period == 2
    assert section(found) is None
    assert facts(found.robustness) is None
    assert any("corrupted images (blur-1)" in line for line in summary.missing(found))


@pytest.fixture(scope="module")
def pictures() -> Any:
    """Smooth images of 64 pixels, all different."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    torch.set_num_threads(1)
    die = torch.Generator().manual_seed(0)
    small = torch.rand((12, 3, 16, 16), generator=die)
    large = torch.nn.functional.interpolate(small, (64, 64), mode="bilinear")
    return (255 * large).byte().permute(0, 2, 3, 1).contiguous()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_grows_with_severity_and_is_the_same_in_whatever_batch(
    pictures: Any, name: str
) -> None:
    """Pixels differ more from the original at each severity; one by one or all at once, they are
    the same.
    """
    import numpy as np
    import torch

    from models.data.corruptions import corrupter

    places, original = np.arange(100, 112), pictures.clone()
    distances = []
    for severity in SEVERITIES:
        change = corrupter(name, severity)
        at_once = change(pictures, places)
        cuts = slice(0, 5), slice(5, 6), slice(6, 12)
        parts = torch.cat([change(pictures[cut], places[cut]) for cut in cuts])
        again = corrupter(name, severity)(pictures, places)
        distances.append(float((at_once.float() - pictures.float()).abs().mean()))

        assert at_once.shape == pictures.shape
        assert at_once.dtype == torch.uint8
        assert torch.equal(at_once, again)
        assert int((at_once.int() - parts.int()).abs().max()) <= (1 if name == "blur" else 0)
    assert torch.equal(pictures, original)
    assert distances[0] > 0
    assert distances == sorted(distances)


@pytest.mark.parametrize("name", ["noise", "rotation", "occlusion"])
def test_what_is_drawn_depends_on_the_image(pictures: Any, name: str) -> None:
    """The same image at other places of the data set is corrupted differently."""
    import numpy as np
    import torch

    from models.data.corruptions import corrupter

    twins = pictures[:1].expand(12, -1, -1, -1).contiguous()
    changed = corrupter(name, 3)(twins, np.arange(12))

    assert not all(torch.equal(changed[0], other) for other in changed[1:])
    assert torch.equal(corrupter("none", 0)(twins, np.arange(12)), twins)


def test_a_harder_test_is_done_like_any_other(animal_folder: Path, tmp_path: Path) -> None:
    """Its row has corruption and severity, no predictions are stored, and no file is
    overwritten.
    """
    torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    from support.learning import Laboratory

    laboratory = Laboratory.of(tmp_path / "store", animal_folder, image_size=32)
    laboratory.prepare()
    trial = laboratory.trial("squeezenet", [1], batch_size=8)
    laboratory.train(trial, 1)
    plain = laboratory.evaluate(trial, 1)
    noisy = [
        laboratory.do(Task("evaluate", trial, 1, word)) for word in ("noise-1", "noise-5", "jpeg-2")
    ]
    rows = tables.read_rows(laboratory.store.root, "evaluations", [trial]).to_pylist()
    answers = tables.read_rows(laboratory.store.root, "predictions", [trial])
    torch.set_num_threads(1)

    assert {(row["corruption"], row["severity"]): row["loss"] for row in rows} == {
        ("none", 0): plain["loss"],
        ("noise", 1): noisy[0]["loss"],
        ("noise", 5): noisy[1]["loss"],
        ("jpeg", 2): noisy[2]["loss"],
    }
    assert len({row["loss"] for row in rows}) == 4
    assert {row["total"] for row in rows} == {plain["total"]} == {answers.num_rows}
