"""Format numbers and names for readers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from markupsafe import Markup

from jobs.catalog import backbones
from jobs.spec.setting import network_of, told_of
from jobs.statistics.interval import Interval
from orchestrator.analysis.metrics import Metric
from orchestrator.analysis.spreads import Spread
from orchestrator.analysis.standings import Standing

LONGEST_IN_FIGURE = 32
FEW = 4
"""How many names a sentence lists."""
MARKDOWN = re.compile(r"([\\`*_\[\]|$~#])")


def accuracy(correct: int, total: int) -> str:
    """Percentage and count: `98.0% (11937/12183)`."""
    return f"{percent(correct / total)} ({correct}/{total})" if total else "no images"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage, rounded to the nearest tenth: `97.9%`; a dash for none.

    Only all is 100.0% and only nothing is 0.0%: `> 99.9%`, `< 0.1%`.
    """
    if share is None:
        return "–"
    least = 10**-digits
    if 0 < share < 1 and f"{100 * share:.{digits}f}" == f"{100:.{digits}f}":
        return f"> {100 - least:.{digits}f}%"
    if 0 < share < 1 and f"{100 * share:.{digits}f}" == f"{0:.{digits}f}":
        return f"< {least:.{digits}f}%"
    return f"{100 * share:.{digits}f}%"


def interval(bounds: Interval) -> str:
    """An interval of shares in per cent: `97.7–98.2%`."""
    return f"{100 * bounds.low:.1f}–{100 * bounds.high:.1f}%"


def points(spread: Spread) -> str:
    """Mean and deviation in per cent: `97.2 ± 0.4%`; only the mean for one seed."""
    if spread.deviation is None:
        return percent(spread.mean)
    return f"{100 * spread.mean:.1f} ± {100 * spread.deviation:.1f}%"


def signed(difference: float) -> str:
    """A difference between shares in percentage points: `+1.3`, `−0.02`."""
    points = 100 * difference
    digits = 1 if abs(points) >= 0.05 or points == 0 else 2
    return f"{points:+.{digits}f}".replace("-", "−") if points else "0.0"


def difference(bounds: Interval) -> str:
    """An interval of differences in percentage points: `−0.5 to 4.7`."""
    digits = 1 if max(abs(bounds.low), abs(bounds.high)) >= 0.005 else 2
    low, high = (
        round(100 * end, digits) + 0.0 for end in (bounds.low, bounds.high)
    )  # adding 0.0 turns -0.0 into 0.0
    return f"{low:.{digits}f} to {high:.{digits}f}".replace("-", "−")


def in_points(share: float) -> str:
    """A difference between shares in words: `1.2 percentage points`."""
    points = abs(100 * share)
    told = f"{points:.{1 if points >= 0.05 or not points else 2}f}"
    return f"{told} percentage point{'' if told == '1.0' else 's'}"


def p_value(p: float) -> str:
    """A p-value: `0.034`, `0.52`, `< 0.001`; never 0."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_equals(p: float) -> str:
    """A p-value within a sentence: `p = 0.034`, `p < 0.001`."""
    return f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"


def size(parameters: int) -> str:
    """Number of parameters: `21.3 million`."""
    return f"{parameters / 1e6:.1f} million"


def loss(value: float | None) -> str:
    """A loss with six decimals, as in the study; a dash for none."""
    return "–" if value is None else f"{value:.6f}" if math.isfinite(value) else "not finite"


def losses(spread: Spread) -> str:
    """Mean and deviation of a loss; for one seed the mean with six decimals."""
    if spread.deviation is None:
        return loss(spread.mean)
    return f"{spread.mean:.4f} ± {spread.deviation:.4f}"


def metric(of: Metric, value: float | None) -> str:
    """A value of a metric, in the form that its entry names; a dash for none."""
    return percent(value) if of.form == "share" else loss(value)


def metrics(of: Metric, spread: Spread) -> str:
    """Mean and deviation of a metric; only the mean for one seed."""
    return points(spread) if of.form == "share" else losses(spread)


def noun(of: Metric) -> str:
    """A metric within a sentence: `test accuracy`, `macro F1`."""
    return of.title[0].lower() + of.title[1:]


def axis(of: Metric) -> str:
    """The label of an axis: `test accuracy (%)`."""
    return f"{noun(of)} (%)" if of.form == "share" else noun(of)


def gap(of: Metric, value: float) -> str:
    """A difference of a metric in words: `1.2 percentage points`, `0.0312`."""
    return in_points(value) if of.form == "share" else f"{abs(value):.4f}"


def margin(of: Metric, value: float) -> str:
    """A margin as it was asked for: `1 point`, `0.5 points`, `0.05`."""
    if of.form != "share":
        return f"{value:g}"
    points = f"{100 * value:.6g}"
    return f"{points} point{'' if points == '1' else 's'}"


def signed_gap(of: Metric, value: float) -> str:
    """A signed difference of a metric: in percentage points, or a number such as `−0.0312`."""
    return signed(value) if of.form == "share" else f"{value + 0.0:+.4f}".replace("-", "−")


def gaps(of: Metric, ends: Interval) -> str:
    """An interval of differences of a metric: `−0.5 to 4.7`."""
    if of.form == "share":
        return difference(ends)
    return f"{ends.low + 0.0:.4f} to {ends.high + 0.0:.4f}".replace("-", "−")


def leads_by(of: Metric, ends: Interval) -> str:
    """An interval of differences as how much better the first is: `0.5 to 4.7`."""
    return gaps(of, ends if of.higher_is_better else Interval(-ends.high, -ends.low))


def range_of(of: Metric, ends: Interval) -> str:
    """An interval of a metric: `97.7–98.2%`, `0.1210–0.1391`."""
    return interval(ends) if of.form == "share" else f"{ends.low:.4f}–{ends.high:.4f}"


def more(of: Metric) -> str:
    """How a better value of a metric is called: `more` or `less`."""
    return "more" if of.higher_is_better else "less"


def duration(seconds: float | None) -> str:
    """Duration as in the study: `2h 20m 12s`, `3m 05s`, `12.3s`; a dash for none."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if round(seconds, 1) < 60:
        return f"{max(seconds, 0.0):.1f}s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m {left:02d}s" if hours else f"{minutes}m {left:02d}s"


def memory(size_bytes: int | None) -> str:
    """Bytes in powers of ten: `1.2 GB`, `812 MB`; a dash for none."""
    return (
        "–"
        if size_bytes is None
        else f"{size_bytes / 1e9:,.1f} GB"
        if size_bytes >= 9.995e8
        else f"{size_bytes / 1e6:,.0f} MB"
    )


def energy(kwh: float | None, whole: bool = True) -> str:
    """kWh with three significant digits: `0.0412`; `≥ 0.0412` if incomplete."""
    if kwh is None:
        return "–"
    digits = min(max(2 - math.floor(math.log10(kwh)), 0), 9) if kwh > 0 else 0
    return f"{'' if whole else '≥ '}{kwh:,.{digits}f}"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 image`, `12,183 images`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def repeats(standing: Standing) -> str:
    """What a mean is over: `3 seeds`, `5 splits`, `10 trainings on 5 splits`."""
    trainings = len(standing.tests)
    splits = {result.split for result in standing.results if result.tested} - {None}
    if not splits:
        return f"{trainings} seeds"
    if trainings == len(splits):
        return count(trainings, "split")
    return f"{trainings} trainings on {count(len(splits), 'split')}"


def few(names: Sequence[str]) -> str:
    """The first names as a list in words, and how many more there are."""
    more = len(names) - FEW
    return listed([*names[:FEW], f"{more} more"] if more > 0 else list(names))


def listed(names: Sequence[str]) -> str:
    """Names joined for a sentence: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def title(backbone: str) -> str:
    """Title of the network, in a grid with its setting; for an unknown backbone, its name."""
    network = network_of(backbone)
    known = backbones.CATALOG.get(network)
    return known.title + backbone.removeprefix(network) if known else backbone


def in_figure(backbone: str) -> str:
    """The title where room is scarce: a long setting without the names of its keys."""
    whole, setting = title(backbone), told_of(backbone)
    if not setting or len(whole) <= LONGEST_IN_FIGURE:
        return whole
    values = ", ".join(part.partition(" ")[2] or part for part in setting.split(", "))
    return f"{title(network_of(backbone))}: {values}"


def file_name(backbone: str) -> str:
    """The network, in a grid with its setting, as part of the name of a file."""
    network, setting = network_of(backbone), told_of(backbone)
    return f"{network}-{re.sub(r'[^A-Za-z0-9.]+', '-', setting)}" if setting else network


def plain(text: object) -> str:
    """The text on one line, unprintable characters replaced."""
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for c in re.sub(r"[\r\n\t]+", " ", str(text))
    )


def markdown(text: object) -> Markup:
    """Escape a text for Markdown, so that it cannot form a link, image, formula or column."""
    if isinstance(text, Markup):
        return text
    harmless = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markup(MARKDOWN.sub(r"\\\1", harmless).replace("://", ":&#8203;//"))


def short(names: Sequence[str], longest: int = 16) -> list[str]:
    """Names shortened in the middle to at most `longest` characters, numbered if equal."""
    half = (longest - 1) // 2
    cut = [
        plain(n) if len(n) <= longest else f"{plain(n)[: longest - 1 - half]}…{plain(n)[-half:]}"
        for n in names
    ]
    return [f"{i + 1}:{name}" if cut.count(name) > 1 else name for i, name in enumerate(cut)]
