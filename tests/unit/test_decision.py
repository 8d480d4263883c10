"""Which network to take under limits: what fits, what is best, how sure, and what is unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.priced import NETWORKS, filled, measure
from support.refusals import clear_line, listing

from jobs.benchmark import RUNTIMES
from jobs.errors import BadSpec
from jobs.spec import quantity
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator import api, cli
from orchestrator.analysis import constraints
from orchestrator.analysis.analysis import analyse
from orchestrator.analysis.noninferiority import NonInferiority, noninferiority
from orchestrator.analysis.run_data import read_run_data
from orchestrator.report import choice_facts, decision_words


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run]:
    """A finished run of four networks, of which nothing was measured."""
    return filled(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run]:
    """The same, measured by each runtime; ONNX Runtime is twice as fast as torch."""
    store, run = filled(tmp_path_factory.mktemp("measured"))
    for trial in run.trials:
        measure(store, trial)
    return store, run


def decided(
    at: tuple[Store, Run], latency: str | None, size: str | None, margin: Any = None
) -> Any:
    """The decision, and its words."""
    run_data = read_run_data(*at)
    analysis = analyse(run_data, margin, constraints.read(latency, size))
    words = decision_words.sureness(run_data, analysis)
    return analysis.decision, decision_words.answer(run_data, analysis), " ".join(words)


def test_the_best_that_fits_is_taken(measured: tuple[Store, Run]) -> None:
    """By the faster of torch and ONNX Runtime; who fails what is said."""
    decision, sentence, words = decided(measured, "20ms", "20MB")
    ranking = [each.backbone for each in decision.candidates]

    assert decision.choice == "mobilenet-v3"
    assert sentence.startswith("Within 20 ms and 20 MB, take MobileNet V3: ")
    assert "6 ms by ONNX Runtime, 17 MB." in sentence
    assert {each.backbone: each.fails for each in decision.candidates} == {
        "resnet34": ("latency", "size"),
        "vgg16": ("latency", "size"),
        "mobilenet-v3": (),
        "scratch": ("size",),
    }
    assert "It is the only one known to fit." in words
    assert decision.unknown == ()
    if ranking[0] != "mobilenet-v3":
        assert decision.against_all.first == ranking[0]
        assert "The best of all, " in words


def test_one_runtime_must_keep_all_limits(measured: tuple[Store, Run]) -> None:
    """A network is not put together from the size of one file and the speed of another."""
    decision, _, _ = decided(measured, "6ms", None)

    assert {each.backbone for each in decision.candidates if each.fits} == {
        "mobilenet-v3",
        "scratch",
    }
    assert decision.candidate("mobilenet-v3").runtime == "onnx"
    assert decision.candidate("mobilenet-v3").p50_ms == pytest.approx(5.0)


def test_with_a_margin_the_fastest_good_one_is_taken(measured: tuple[Store, Run]) -> None:
    """It has to be shown to be at most the margin worse than the best that fits."""
    strict, _, _ = decided(measured, "1s", None, 0.001)
    lax, sentence, words = decided(measured, "1s", None, 0.9)

    assert strict.choice == strict.best == strict.candidates[0].backbone
    assert lax.choice == "scratch"
    assert "take Scratch" in sentence
    assert "is at most 90 points worse than" in words
    assert "times faster" in words
    assert all(one.reference == lax.best for one in lax.noninferior)


def test_tests_within_a_limit_are_those_among_the_networks_that_fit(
    measured: tuple[Store, Run],
) -> None:
    """The reference is the best that fits, and Holm's correction counts those that fit."""
    from orchestrator.analysis.image_values import NetworkValues, values_of_networks
    from orchestrator.analysis.seed_intervals import all_moments

    decision, _, _ = decided(measured, "40ms", None, 0.2)
    run_data = read_run_data(*measured)
    answers = {name: run_data.answers(name, run_data.period) for name in NETWORKS}
    values = values_of_networks(run_data.metric, run_data.predictions, answers)
    fit = {name: rows for name, rows in values.networks.items() if name != "vgg16"}
    moments = all_moments(values.networks, values.swing)
    reference = decision.best

    expected: tuple[NonInferiority, ...] = noninferiority(
        NetworkValues(fit, values.swing), moments, reference, 0.2, 1
    )

    assert {one.backbone: one.p_holm for one in decision.noninferior} == {
        one.backbone: one.p_holm for one in expected
    }


def test_impossible_limits_name_the_closest(measured: tuple[Store, Run]) -> None:
    """And networks that fit with 8-bit numbers, with what they lose."""
    decision, sentence, words = decided(measured, "1ms", "8MB")

    assert decision.choice is None
    assert decision.closest == "scratch"  # 3.5 times too large; MobileNet V3 is 6 times too slow
    assert sentence == (
        "No network keeps within 1 ms and 8 MB in float32; with 8-bit numbers Scratch does: 90.0% "
        "accuracy, 0.5 ms, 7 MB."
    )
    assert [one.backbone for one in decision.int8] == ["scratch"]
    eighth, _, words = decided(measured, "2ms", "8MB")
    assert [one.backbone for one in eighth.int8] == ["mobilenet-v3", "scratch"]
    assert "export model study --backbone mobilenet-v3 --format int8" in words
    assert "With 8-bit numbers MobileNet V3 fits: its accuracy is then 90.0% instead of" in words


def test_a_better_network_that_fits_with_8_bit_numbers_only_is_named(tmp_path: Path) -> None:
    """Scratch is too large in float32; its 8-bit file is small, and right more often."""
    store, run = filled(tmp_path)
    for trial in run.trials:
        scratch = store.load_trial(trial).backbone == "scratch"
        measure(store, trial, correct=95 if scratch else 90)

    decision, _, words = decided((store, run), "20ms", "20MB")

    assert decision.choice == "mobilenet-v3"
    assert [one.backbone for one in decision.int8] == ["scratch"]
    assert "With 8-bit numbers Scratch fits: its accuracy is then 95.0%" in words
    assert "not taken: its lead over MobileNet V3 is small or unsure." in words
    assert "It is the only one known to fit in float32." in words


def test_a_network_far_ahead_is_taken_with_8_bit_numbers(tmp_path: Path) -> None:
    """Scratch alone fits in float32. MobileNet V3's lead is far more than 8-bit numbers cost."""
    store, run = filled(tmp_path, images_a_class=400)
    for trial in run.trials:
        measure(store, trial, correct=60 if trial.startswith("scratch") else 90)

    decision, sentence, words = decided((store, run), "5ms", "30MB")
    run_data = read_run_data(store, run)
    facts = choice_facts.collect(run_data, analyse(run_data, None, constraints.read("5ms", "30MB")))

    assert decision.choice == "scratch"
    assert sentence.startswith("Within 5 ms and 30 MB, take MobileNet V3 with 8-bit numbers: 90.0%")
    assert sentence.endswith("1.5 ms by ONNX Runtime, 4.2 MB.")
    assert "In float32 the network to take is Scratch: " in words
    assert "export model study --backbone mobilenet-v3 --format int8" in words
    assert "is then 90.0% instead of 92.0%" in words
    assert facts is not None
    assert (facts["choice"], facts["choice_runtime"]) == ("mobilenet-v3", "int8")
    assert decided((store, run), "5ms", "30MB", 0.2)[0].int8_choice is None  # within the margin


def test_what_was_not_measured_is_unknown(bare: tuple[Store, Run], tmp_path: Path) -> None:
    """The command that measures it is said; nothing is assumed to fit."""
    decision, sentence, words = decided(bare, "20ms", None)

    assert decision.choice is None
    assert set(decision.unknown) == set(NETWORKS)
    assert sentence.startswith("No network is known to keep within 20 ms: ")
    assert "bench study" in words


def test_latencies_of_two_hosts_are_not_mixed(tmp_path: Path) -> None:
    """Those of the host that measured most networks count."""
    store, run = filled(tmp_path)
    measure(store, run.trials[0], "other")
    for trial in run.trials[1:]:
        measure(store, trial)

    decision, _, _ = decided((store, run), "1s", None)
    missing = store.load_trial(run.trials[0]).backbone

    assert decision.machine.host == "here"
    assert decision.unknown == (missing,)


def test_the_command_and_the_report_and_python_say_the_same(
    measured: tuple[Store, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One decision, in words and as JSON."""
    store, run = measured
    words = ["--store", str(store.root), "report", "study", "--max-latency", "20ms"]
    words += ["--max-size", "20MB", "--margin", "1", "--format", "html,json,md"]
    code = cli.run([*words, "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    kept = json.loads((tmp_path / "out" / "report.json").read_text())
    told = kept["decision"]
    of_python = api.RunHandle(store, run).decide(max_latency="20ms", max_size="20MB", margin=1)
    page = (tmp_path / "out" / "report.html").read_text()

    assert code == 0
    assert told["choice"] == "mobilenet-v3"
    assert json.loads(json.dumps(of_python)) == told
    assert f"<h1>{told['sentence']}</h1>" in page
    assert said.splitlines()[0] == told["sentence"]
    assert "95% interval" in said
    assert f"**{told['sentence']}**" in (tmp_path / "out" / "report.md").read_text()
    assert {one["runtime"] for one in kept["benchmarks"]} == set(RUNTIMES)
    assert (tmp_path / "out" / "figures" / "decision.svg").exists()
    assert kept["answer"]["sentence"] in page


def test_wrong_limits_write_nothing(
    measured: tuple[Store, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear line, and exit code 2."""
    store, _ = measured
    before = listing(store.root)
    for words in (
        ["--max-latency", "20"],
        ["--max-latency", "0ms"],
        ["--max-latency", "-3ms"],
        ["--max-size", "10"],
        ["--max-size", "10 parsecs"],
        ["study", "study2", "--max-size", "10MB"],
    ):
        place = ["--out", str(tmp_path / "out")]
        code = cli.run(["--store", str(store.root), "report", *words, *place])

        assert code == 2, words
        clear_line(capsys.readouterr().err)
    with pytest.raises(BadSpec, match="20 has no unit"):
        api.open_store(store.root).run("study").decide(max_latency=20)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
    assert listing(store.root) == before


def test_quantities_are_read_as_users_write_them() -> None:
    """Units matter, the case of their letters does not."""
    assert quantity.milliseconds("20ms") == quantity.milliseconds("0.02 S") == 20
    assert quantity.milliseconds("500us") == 0.5
    assert quantity.size_bytes("10MB") == 10_000_000
    assert quantity.size_bytes("1.5mib") == 1_572_864
    assert quantity.size_bytes("900 kB") == 900_000
    for wrong in ("", "20", "ms", "1e3ms", "١ms", "20 minutes", "0MB"):
        with pytest.raises(ValueError, match=r"is not a latency; give one such as 20ms or 1\.5s"):
            quantity.milliseconds(wrong)
    with pytest.raises(BadSpec, match="--max-size"):
        constraints.read(None, "10ms")
