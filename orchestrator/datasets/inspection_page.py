"""An inspection as a page of its own: counts, a chart of the classes, sample images, findings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jobs import atomic
from jobs.data.data_source import DataSource
from jobs.data.sources import LAYOUTS
from jobs.errors import BadSpec
from orchestrator.datasets import inspect_text
from orchestrator.datasets.inspect import Inspection
from orchestrator.formatting import megabytes, plain
from orchestrator.report.rendering import gallery
from orchestrator.report.sections import images

TEMPLATE = "inspection.html.j2"


@dataclass(frozen=True)
class FileGallery:
    """Sample images of a source, decoded from their files."""

    source: DataSource
    broken: frozenset[str]
    _small: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def samples(self) -> list[tuple[str, list[str]]]:
        """Some whole images of each class."""
        by_class: defaultdict[str, list[str]] = defaultdict(list)
        for entry in self.source.entries:
            if entry.path not in self.broken:
                by_class[entry.label].append(entry.path)
        return gallery.sampled(by_class)

    def small(self, image: str) -> Any:
        """The square that a network sees, at the size of a thumbnail; None if it has none."""
        from PIL import Image

        from models.data.decode import Broken, decode

        if image not in self._small:
            try:
                contents = (Path(self.source.origin) / image).read_bytes()
                self._small[image] = Image.fromarray(decode(contents, gallery.SIDE))
            except (OSError, Broken):
                self._small[image] = None
        return self._small[image]


def write(path: Path, source: DataSource, inspection: Inspection) -> None:
    """Write the page, with everything in one file. Raises `BadSpec` where it cannot."""
    charts = (
        images.bars(inspection.by_split),
        images.sheet(
            FileGallery(source, frozenset(inspection.broken)),
            caption=images.sampled("Images as squares, as networks see them"),
        ),
    )
    from jinja2 import Environment, PackageLoader, StrictUndefined

    world = Environment(
        loader=PackageLoader("orchestrator.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    world.filters["plain"] = plain
    told = world.get_template(TEMPLATE).render(
        inspection=inspection,
        facts=_facts(inspection),
        charts=[chart for chart in charts if chart is not None],
        sections=inspect_text.sections(inspection),
    )
    try:
        with atomic.atomic_write(path) as draft:
            draft.write_text(told, encoding="utf-8")
    except OSError as error:
        raise BadSpec(f"cannot write {path}: {error.strerror}. Give another --html.") from None


def _facts(inspection: Inspection) -> dict[str, str]:
    """Facts that are numbers or names, under their titles."""
    facts = {
        "Source": LAYOUTS[inspection.layout].words,
        "Labels": inspection.labels or "",
        "Files": f"{inspection.files:,}, {megabytes(inspection.bytes)}",
        "Classes": f"{len(inspection.classes):,}",
        "Split": "given by the data" if inspection.split_given else "drawn by orch",
        "Groups": f"{inspection.groups:,}" if inspection.groups else "none",
        "Formats": inspect_text.counted(inspection.formats),
        "Modes": inspect_text.counted(inspection.modes),
        "Values": inspect_text.counted(inspection.depths),
        "Pixels (smallest, median, largest)": inspect_text.sizes(inspection),
    }
    return {title: fact for title, fact in facts.items() if fact}
