"""How Sphinx makes the site from the Markdown pages (`make docs`).

The pages stay plain Markdown, so they read the same on a code host. The navigation is the index,
docs/README.md: its headings and its links to pages, in order.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
INDEX = ROOT / "docs" / "README.md"

project = "orch"
html_title = "orch"
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "deploy/**.md", "benchmarks/*.md"]
exclude_patterns = [".*", "demo-*", "orch-store", "build", "dist", "site", "shared"]

myst_heading_anchors = 4  # the anchors that headings have on a code host
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]  # a page may start with a level that suits its context

html_theme = "furo"  # its fonts and scripts are its own: nothing is fetched from elsewhere
html_extra_path = ["index.html"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False


def navigation() -> str:
    """The tables of contents of the site: one for each heading of the index that lists pages."""
    parts = re.split(r"^## +(.+)$", INDEX.read_text(), flags=re.MULTILINE)
    listed = zip(parts[1::2], parts[2::2], strict=True)
    return "".join([*(_contents(*each) for each in listed), _contents("About", "[](README.md)")])


def _contents(heading: str, text: str) -> str:
    pages = dict.fromkeys(
        os.path.normpath(f"docs/{link}") for link in re.findall(r"\]\(([^)#\s]+\.md)\)", text)
    )
    listed = "\n".join(f"/{page}" for page in pages if page != "README.md")
    return f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{listed}\n```\n" if listed else ""


def _add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    if name == root_doc:
        source[0] += f"\n{navigation()}"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _add_navigation)
