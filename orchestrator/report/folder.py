"""The report's folder: one page, the same as Markdown and as JSON, and every figure as SVG and PNG."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from jobs import files
from jobs.errors import MissingExtra, RequestError
from jobs.store import Run, Store

NEEDED = ("jinja2", "matplotlib", "numpy", "PIL", "scipy")


def write(store: Store, run: Run, out: Path) -> Path:
    """Write the run's report into `out` and return the path of `report.html`; what is not done yet is said in it.

    Raises `MissingExtra` without the extra 'report', `OrchError` when the run has no results yet, `RequestError`
    when `out` cannot be written. The same rows give the same bytes.
    """
    need(NEEDED)
    from orchestrator.report import evidence, page

    found = evidence.read(store, run)
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
        told = page.assemble(found)
        texts = {
            "report.json": json.dumps(told.facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            "report.md": page.markdown(told),
            "report.html": page.html(told),
        }
        for drawing in told.drawings:
            _put(out / "figures" / f"{drawing.name}.svg", drawing.svg.encode())
            _put(out / "figures" / f"{drawing.name}.png", drawing.png)
        for name, text in texts.items():
            _put(out / name, text.encode("utf-8", "replace"))
    except OSError as error:
        raise RequestError(f"cannot write the report to {out}: {error.strerror or error}. "
                           "Give another folder with --out.") from None
    return out / "report.html"


def need(modules: tuple[str, ...]) -> None:
    """Raise `MissingExtra` when a module that the report is made with is not installed."""
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    if absent:
        raise MissingExtra(f"a report needs {', '.join(absent)}, not installed here: pip install 'orch[report]'.")


def _put(path: Path, content: bytes) -> None:
    with files.landing(path) as draft:
        draft.write_bytes(content)
