"""The keys of a specification that say how networks are compared, in the order of documentation."""

from __future__ import annotations

from jobs.catalog import metrics
from jobs.spec.keys.key import Key

COMPARISON_KEYS: dict[str, Key] = {
    "metric": Key(
        metrics.DEFAULT,
        str,
        "The metric that ranks the networks in the report: {metrics}.",
        "the metric that leads the report: it ranks the networks, and first sentence, intervals, "
        "tests and figures are of it: {metrics_code}. Another one continues the same run; see "
        "[report.md](report.md)",
        metavar="METRIC",
        needs="one of {metrics}",
        changes_run=False,
        later=True,
    ),
    "race": Key(
        False,
        bool,
        "After each period, stop networks that are significantly behind on the validation images.",
        "after each period, stop the networks that are significantly behind the best one on the "
        "validation images; test images decide nothing. `orch resume RUN --all` carries them on; "
        "see [racing.md](racing.md)",
        later=True,
    ),
    "tune": Key(
        None,
        str,
        "Train each network one period with several values of this key; the best one goes on.",
        "a key of the recipe of which each network gets its own best value: after the first period "
        "the best by validation goes on, the others stop. `learning_rate` has a ladder of its own: "
        "{ladder} times the recipe's value; other keys need a list of values; see "
        "[racing.md](racing.md)",
        metavar="KEY",
        needs="a key of the recipe, such as learning_rate,",
        later=True,
    ),
    "corruptions": Key(
        (),
        str,
        "After the last period, also evaluate on corrupted images: {corruptions}.",
        "after the last period, also evaluate every trial on corrupted images: `all`, or a list of "
        "{corruptions_code}, each at severities 1 to 5. No training is needed: adding this to an "
        "existing comparison only adds evaluations",
        metavar="all|NAME,...",
        default_shown="none",
        needs="a list of corruptions, or 'all',",
        later=True,
    ),
}
