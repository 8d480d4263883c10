"""Cautions for reading the result: what learned nothing, one seed, unequal starts, and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobs.spec.setting import network_of
from orchestrator.analysis import racing
from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.imagenet import imagenets_own
from orchestrator.analysis.leader import Leader, seed_deviation_that_voids
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.unlearned import Unlearned
from orchestrator.analysis.versions import differing_in_attempts
from orchestrator.report import settling_words
from orchestrator.report.rendering import wording
from orchestrator.report.sections import leaks, memory, settings

REMEDY = "Try a lower learning rate."


def cautions(run_data: RunData, analysis: Analysis) -> list[str]:
    """Cautions for reading the result, the weightiest first."""
    return [
        *unlearned(run_data),
        *filter(None, [leaks.caution(run_data, analysis)]),
        *_contradictions(run_data, analysis),
        *_near_majority(run_data),
        *_stopped(run_data),
        *_untested(run_data, analysis),
        *filter(None, [settling_words.sentence(run_data, analysis.settling)]),
        *_seeds(run_data, analysis),
        *_chosen_on_test(run_data, analysis),
        *_unequal_starts(run_data),
        *_still_falling(run_data, analysis),
        *_devices(run_data),
        *_precisions(run_data),
        *_versions(run_data),
        *filter(None, [memory.caution(run_data)]),
    ]


def unlearned(run_data: RunData) -> Iterator[str]:
    """A note on every network that learned nothing, with all of its seeds or with some."""
    chance = run_data.learning.baselines.chance
    for backbone in run_data.comparison.backbones:
        trials = run_data.learning.trials(backbone, run_data.period)
        if not trials:
            continue
        tested = run_data.learning.tested[backbone, run_data.period]
        name, told = wording.title(backbone), _answers(trials)
        basis = f"{told}; chance is {wording.percent(chance)}. {REMEDY}"
        if len(trials) == tested:
            apart = " It is left out of ranking and mistakes." if run_data.learned else ""
            yield f"{name} learned nothing: it {basis}{apart}"
        else:
            yield _some(run_data, name, trials, tested, basis)


def _some(
    run_data: RunData, name: str, trials: Sequence[Unlearned], tested: int, basis: str
) -> str:
    """A network that learned nothing in some of its trainings."""
    if run_data.splits:
        return (
            f"{name} learned nothing in {len(trials)} of {tested} trainings: there it {basis} "
            "Its mean counts every training."
        )
    seeds = wording.listed([str(trial.seed) for trial in trials])
    which = f"seed{'s' if len(trials) > 1 else ''} {seeds}"
    return (
        f"{name} learned nothing with {which} (of {tested} seeds): it {basis} "
        "Its mean counts every seed."
    )


def _versions(run_data: RunData) -> Iterator[str]:
    for package, versions in differing_in_attempts(run_data.attempts.to_pylist()).items():
        yield (
            f"Attempts used different versions of {package} ({', '.join(versions)}). Numbers may "
            "differ between them."
        )


def devices(run_data: RunData) -> list[str]:
    """The devices on which the run was trained."""
    return sorted({str(result.device) for result in run_data.training.values()})


def _answers(trials: Sequence[Unlearned]) -> str:
    """`predicts one class (cat) for 98% of the images`, over all these trials."""
    if not all(trial.one_answer for trial in trials):
        shares = [wording.percent(trial.accuracy) for trial in trials]
        return f"predicts at random ({wording.listed(shares)} correct)"
    answers = wording.listed(list(dict.fromkeys(wording.plain(t.answer) for t in trials)))
    low, high = (f"{100 * pick(t.share for t in trials):.0f}" for pick in (min, max))
    share = f"{low}%" if low == high else f"{low} to {high}%"
    each = " with each seed" if len(trials) > 1 else ""
    return f"predicts one class ({answers}) for {share} of the images{each}"


def _contradictions(run_data: RunData, analysis: Analysis) -> Iterator[str]:
    """Equal images of several classes: no answer is right for all of them."""
    groups = (analysis.duplicates or {}).get("across_classes", 0)
    if groups:
        yield (
            f"{wording.count(groups, 'group')} of equal images {'is' if groups == 1 else 'are'} "
            "labelled with several classes: whatever a network answers, some of them count as "
            "wrong. 'orch data inspect' names them."
        )


def _near_majority(run_data: RunData) -> Iterator[str]:
    """The best network is not clearly better than a constant prediction."""
    lead, known = run_data.leader, run_data.learning.baselines
    if lead is None or known.majority_share is None or not lead.ranking[0].accuracy:
        return
    if run_data.metric.name != "accuracy":
        return
    best, interval = lead.ranking[0].accuracy.mean, lead.ranking[0].image_interval
    if interval and best > known.majority_share >= interval.low:
        yield (
            f"{wording.title(lead.ranking[0].backbone)} is not clearly better than a constant "
            f"prediction: always predicting {wording.plain(known.majority)} gets "
            f"{wording.percent(known.majority_share)}."
        )


def _stopped(run_data: RunData) -> Iterator[str]:
    """Networks that decisions stopped: what is ranked are those that went on."""
    if names := [wording.title(name) for name in racing.unranked(run_data)]:
        yield (
            f"{wording.few(names)} stopped before this period, on validation images, and "
            f"{'is' if len(names) == 1 else 'are'} not ranked here: what learns slowly may have "
            "overtaken later. 'orch resume RUN --all' trains them to the end."
        )


def _untested(run_data: RunData, analysis: Analysis) -> Iterator[str]:
    lead, verdict = run_data.leader, analysis.verdict
    if lead and verdict and verdict.untested and len(lead.ranking) > 1:
        names = wording.listed([wording.title(name) for name in verdict.untested])
        needed = "Results on two splits" if run_data.splits else "The predictions needed"
        yield f"{needed} to test {names} against the best network are not published."


def _seeds(run_data: RunData, analysis: Analysis) -> Iterator[str]:
    lead, seeds = run_data.leader, run_data.run.spec.seeds
    if run_data.splits:
        yield from _splits(run_data)
        return
    if seeds == 1:
        yield _one_seed(lead, analysis.verdict.paired_test if analysis.verdict else None)
        return
    if seeds == 2:
        yield "Two seeds hardly measure how much seeds scatter: --seeds 3 or more can show more."
    if lead and min(len(standing.tests) for standing in lead.ranking) < seeds:
        yield (
            f"Not every network has been tested with all {seeds} seeds yet; each row says "
            "with how many."
        )


def _splits(run_data: RunData) -> Iterator[str]:
    """What several splits can show, and what is still missing."""
    spec, lead = run_data.run.spec, run_data.leader
    if len(run_data.splits) < 3:
        yield (
            f"{wording.count(len(run_data.splits), 'split')} hardly measure how much results "
            "scatter: --splits 5 can show more."
        )
    if lead and min(len(one.tests) for one in lead.ranking) < spec.splits * spec.seeds:
        yield (
            f"Not every network has been tested on all {spec.splits} splits with all seeds yet; "
            "each row says how often."
        )


def _one_seed(lead: Leader | None, test: PairwiseTest | None) -> str:
    """The limits of one seed, and the deviation over seeds that would make the order uncertain."""
    told = (
        "One seed: intervals and p-values know the choice of test images only, not the luck of "
        "training."
    )
    limit = (
        seed_deviation_that_voids(lead.margin, test.interval)
        if lead and test and lead.margin is not None and test.first_wins
        else None
    )
    if limit is None:
        return f"{told} Another seed could change the order; --seeds 3 measures it."
    return (
        f"{told} A deviation over seeds of {_gap(lead, limit)} would make this order "
        "uncertain; --seeds 3 measures it."
    )


def _gap(lead: Leader | None, limit: float) -> str:
    """A difference of the leading metric."""
    return wording.gap(lead.ranking[0].metric, limit) if lead else wording.in_points(limit)


def _chosen_on_test(run_data: RunData, analysis: Analysis) -> Iterator[str]:
    lead, metric = run_data.leader, run_data.metric
    noun = "accuracy" if metric.name == "accuracy" else wording.noun(metric)
    too = "high" if metric.higher_is_better else "low"
    if lead and analysis.settings:
        yield (
            f"The best of {run_data.compared} is chosen on the test images on which its {noun} is "
            f"quoted, so that {noun} is too {too}, the more so the more settings there are. "
            f"{settings.best_told(analysis.settings)}".rstrip()
        )
    elif lead and len(lead.ranking) > 1 and run_data.learned:
        yield (
            f"The best of {len(lead.ranking)} networks is chosen on the test images on which its "
            f"{noun} is quoted, so that {noun} is slightly too {too}."
        )


def _unequal_starts(run_data: RunData) -> Iterator[str]:
    """Pretrained networks beside random ones, and classes that pretraining has seen."""
    trials = run_data.trials.values()
    pretrained = {trial.backbone for trial in trials if trial.weights == "imagenet"}
    networks = dict.fromkeys(network_of(label) for label in run_data.comparison.backbones)
    names = [name for name in networks if name not in pretrained]
    if pretrained and names:
        one = len(names) == 1
        yield (
            f"{wording.listed([wording.title(name) for name in names])} "
            f"start{'s' if one else ''} from random weights, the others from ImageNet's: "
            "the comparison is of starts as well as of networks."
        )
    own = imagenets_own(run_data.classes)
    if pretrained and 2 * len(own) > len(run_data.classes):
        yield (
            f"{len(own)} of {len(run_data.classes)} classes are ImageNet's own: pretrained "
            "networks may have seen these very images."
        )


def _still_falling(run_data: RunData, analysis: Analysis) -> Iterator[str]:
    told = [wording.title(name) for name in analysis.falling]
    if names := wording.few(told) if run_data.run.spec.varies else wording.listed(told):
        yield (
            f"The validation loss of {names} was still falling at epoch {analysis.epoch}: "
            "more epochs may change the order."
        )


def _devices(run_data: RunData) -> Iterator[str]:
    used = devices(run_data)
    if len(used) > 1:
        yield (
            f"Training ran on different devices ({', '.join(used)}): times cannot be compared "
            "between networks as they stand."
        )


def _precisions(run_data: RunData) -> Iterator[str]:
    """Trainings of one run in several precisions: each worker chooses what its device does well."""
    trained: dict[str, list[str]] = {}
    for name, result in run_data.training.items():
        labels = trained.setdefault(result.precision or "", [])
        if (label := wording.title(run_data.label(name))) not in labels:
            labels.append(label)
    trained.pop("", None)
    if len(trained) > 1:
        told = "; ".join(
            f"{each}: {wording.few(labels)}" for each, labels in sorted(trained.items())
        )
        yield (
            f"Trainings used different precisions ({told}), which may shift results by a few "
            "images. --precision fp32 trains all alike."
        )
