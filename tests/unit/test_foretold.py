"""How well a ranking foretold the order of the trained networks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from support.fake_images import ANIMALS
from support.fake_rankings import publish_ranking, record_ranking
from support.fakes import fill_store

from jobs.errors import RequestError
from jobs.store import latest, tables
from jobs.store.runs import Run
from jobs.store.store import Store
from models.evaluation.logme import logme
from orchestrator.analysis import foretold
from orchestrator.analysis.analysis import analyse
from orchestrator.analysis.p_values import holm
from orchestrator.analysis.run_data import read_run_data
from orchestrator.report.rendering.gallery import Gallery
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections.foretold import _lead, section

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


@pytest.mark.parametrize(
    ("shares", "tau"),
    [
        ({"resnet34": 0.95, "vgg16": 0.8, "alexnet": 0.6}, 1.0),
        ({"resnet34": 0.6, "vgg16": 0.8, "alexnet": 0.95}, -1.0),
    ],
)
def test_a_report_says_how_well_the_ranking_foretold(
    trained: tuple[Store, Run], shares: dict[str, float], tau: float
) -> None:
    """By the networks that both have; a report without a ranking has no word of it."""
    store, study = trained
    order = read_run_data(store, study).comparison.at(2)
    values = {one.backbone: one.lead.mean for one in order if one.lead}
    assert values["resnet34"] > values["vgg16"] > values["alexnet"]
    before = analyse(read_run_data(store, study)).foretold
    run = record_ranking(store, study, [*NAMES, "mobilenet-v3"])
    publish_ranking(store, run, {**shares, "mobilenet-v3": 0.99})

    run_data = read_run_data(store, study)
    analysis = analyse(run_data)
    told = analysis.foretold
    page = section(ReportData(run_data, analysis, Gallery(run_data)))

    assert before is None
    assert told is not None
    assert page is not None
    assert (told.run, len(told.networks)) == (run.name, 3)
    assert told.tau == pytest.approx(tau)
    assert told.low <= told.tau <= told.high
    assert told.seconds == pytest.approx(12)
    assert f"tau {tau:.2f} (95% interval" in page.lead
    assert next(row[0] for row in page.parts[0].rows) == ("ResNet34" if tau > 0 else "AlexNet")


def test_a_ranking_of_other_images_foretells_nothing(
    trained: tuple[Store, Run], tmp_path: Path
) -> None:
    """Nor is a run that ranks the latest comparison, or one that can be reported."""
    store, study = trained
    other = fill_store(
        tmp_path / "store", backbones=["vgg16"], classes=("x", "y"), pixels=False, name="other"
    )[1]
    run = record_ranking(store, other, NAMES)
    publish_ranking(store, run, dict.fromkeys(NAMES, 0.9))

    assert analyse(read_run_data(store, study)).foretold is None
    assert latest.latest_having(store, "evaluate").run.name in ("study", "other")
    with pytest.raises(RequestError, match="ranks networks, and trains none"):
        read_run_data(store, run)


def test_a_ranking_that_saw_test_images_of_the_run_foretells_nothing(
    trained: tuple[Store, Run],
) -> None:
    """It is of another split; with the same test images it counts."""
    store, study = trained
    run = record_ranking(store, study, NAMES, split_seed=1)
    publish_ranking(store, run, {"resnet34": 0.9, "vgg16": 0.8, "alexnet": 0.7})
    rows = tables.read_table(store.manifest_path(study.data), tables.MANIFEST)
    split = rows["split"].to_pylist()
    listed = zip(rows.to_pylist(), [*split[1:], split[0]], strict=True)
    moved = pa.Table.from_pylist([{**row, "split": part} for row, part in listed], rows.schema)
    store.manifest_path(run.data).parent.mkdir(parents=True, exist_ok=True)
    tables.write_table(store.manifest_path(run.data), moved)
    seen = analyse(read_run_data(store, study)).foretold
    tables.write_table(store.manifest_path(run.data), rows)

    assert run.data != study.data
    assert moved["split"].to_pylist() != split
    assert seen is None
    assert analyse(read_run_data(store, study)).foretold is not None


def a_ranking(taus: tuple[float, float, float], ranks: list[tuple[float, float]]) -> str:
    """The sentence of the report about a ranking with this tau and interval, and these ranks."""
    networks = tuple(
        foretold.ForetoldNetwork(f"n{place}", 0.5, before, 0.5, after)
        for place, (before, after) in enumerate(ranks)
    )
    return _lead(foretold.Foretold("rank", 2, 100, 9.0, *taus, networks), "accuracy")


def test_few_networks_show_nothing_whatever_tau_is() -> None:
    """Two come into the same order half of the time; number and interval stand beside tau."""
    told = a_ranking((1.0, 1.0, 1.0), [(1, 1), (2, 2)])
    many = a_ranking((1.0, 0.9, 1.0), [(n, n) for n in range(1, 6)])

    assert "2 come into the same order by chance once in 2 times" in told
    assert "tau 1.00 (95% interval 1.00 to 1.00, bootstrap" in told
    assert "for these 2 networks" in told
    assert "by chance" not in many
    assert "gave the same order by accuracy" in many


def test_an_interval_with_zero_is_never_called_agreement() -> None:
    """Nor disagreement; six networks, wide intervals."""
    ranks = [(1.0, 1.0), (2.0, 3.0), (3.0, 2.0), (4.0, 4.0), (5.0, 6.0), (6.0, 5.0)]
    for tau, low, high in ((0.4, -0.1, 0.8), (-0.2, -0.6, 0.3)):
        told = a_ranking((tau, low, high), ranks)

        assert "cannot be told from chance on these images" in told
        assert "The interval includes 0" in told
        assert "agrees in part" not in told
        assert "does not agree" not in told
    assert "agrees in part" in a_ranking((0.6, 0.2, 0.9), ranks)


def test_ties_are_counted_and_all_tied_is_no_order() -> None:
    """Pairs that share a rank before or after training."""
    some = a_ranking((0.9, 0.5, 1.0), [(1, 1), (2.5, 2), (2.5, 3), (4, 4), (5, 5)])
    every = a_ranking((0.0, -0.5, 0.5), [(n, 3) for n in range(1, 6)])

    assert "1 of 10 pairs of networks is tied, and tells nothing" in some
    assert "no order, as all networks are tied" in every


def test_kendalls_tau_is_scipys() -> None:
    """For many rows at once, ties included."""
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 5, (50, 6)).astype(float) for _ in range(2))

    ours = foretold.kendall(first, second)

    theirs = [stats.kendalltau(a, b).statistic for a, b in zip(first, second, strict=True)]
    assert ours == pytest.approx(theirs)


def test_features_that_say_nothing_have_an_evidence() -> None:
    """All zeros: that of the labels alone."""
    labels = np.arange(60) % 3

    assert math.isfinite(logme(np.zeros((60, 4), np.float32), labels, 3))


def test_a_test_without_a_p_value_changes_no_other() -> None:
    """Holm's correction counts the others only, in any order."""
    assert holm([0.01, math.nan, 0.02])[::2] == holm([0.01, 0.02])
    assert math.isnan(holm([math.nan, 0.01])[0])
