"""Draw `docs/packages.svg` from the imports: the packages, and which imports which.

Run it with `make picture`. A test redraws the picture and compares. A box stands above all that it
imports. Arrows that follow from others (A imports B, B imports C, A imports C) are left out.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import grimp

PACKAGES = ("orchestrator", "workers", "models", "jobs")
COLOURS = {
    "orchestrator": ("#e8eef9", "#2f5597"),
    "workers": ("#fdf1e3", "#a65f00"),
    "models": ("#e9f5ec", "#2d7144"),
    "jobs": ("#f1eef6", "#5e4b8b"),
}
BOX_W, BOX_H, GAP_X, GAP_Y, PAD, HEAD = 104.0, 30.0, 14.0, 30.0, 16.0, 30.0

Edges = dict[str, set[str]]


def read_imports() -> dict[str, Edges]:
    """For each of the four packages, its parts and which of its own parts each imports."""
    graph = grimp.build_graph(*PACKAGES)
    inside: dict[str, Edges] = {package: {} for package in PACKAGES}
    for module in sorted(graph.modules):
        package, *rest = module.split(".")
        if not rest:
            continue
        imported = inside[package].setdefault(rest[0], set())
        for other in graph.find_modules_directly_imported_by(module):
            whose, *names = other.split(".")
            if whose == package and names and names[0] != rest[0]:
                imported.add(names[0])
    return inside


def import_cycles(edges: Edges) -> list[frozenset[str]]:
    """Groups of parts that import each other, each as one box."""
    reach = {part: _reachable(edges, part) for part in edges}
    groups = {
        frozenset(other for other in edges if other in reach[part] and part in reach[other])
        | {part}
        for part in edges
    }
    return sorted(groups, key=sorted)


def _reachable(edges: Edges, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for other in edges.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def reduced(edges: Edges) -> Edges:
    """The same graph (without cycles) less the arrows that follow from others."""
    indirect = {
        part: set().union(*(_reachable(edges, other) for other in edges[part])) for part in edges
    }
    return {part: edges[part] - indirect[part] for part in edges}


def floors(edges: Edges) -> list[list[str]]:
    """Parts by floor, the top one first; each stands above all that it imports."""
    level: dict[str, int] = {}

    def height(part: str) -> int:
        if part not in level:
            level[part] = 1 + max((height(other) for other in edges[part]), default=-1)
        return level[part]

    for part in edges:
        height(part)
    return [
        sorted(part for part in edges if level[part] == floor)
        for floor in range(max(level.values(), default=-1), -1, -1)
    ]


class Band:
    """One package as a rectangle of boxes, its corner at (`x`, `y`)."""

    def __init__(self, name: str, edges: Edges) -> None:
        groups = import_cycles(edges)
        called = {part: " + ".join(sorted(group)) for group in groups for part in group}
        merged: Edges = {" + ".join(sorted(group)): set() for group in groups}
        for part, others in edges.items():
            merged[called[part]] |= {called[other] for other in others} - {called[part]}
        self.name, self.edges, self.rows = name, reduced(merged), floors(merged)
        widths = [sum(map(_width, row)) + GAP_X * (len(row) - 1) for row in self.rows]
        self.width = max(widths) + 2 * PAD
        self.height = HEAD + len(self.rows) * (BOX_H + GAP_Y) - GAP_Y + PAD
        self.x = self.y = 0.0

    def boxes(self) -> dict[str, tuple[float, float]]:
        """Left upper corners of the boxes by name."""
        corners: dict[str, tuple[float, float]] = {}
        for number, row in enumerate(self.rows):
            length = sum(map(_width, row)) + GAP_X * (len(row) - 1)
            x = self.x + (self.width - length) / 2
            for part in row:
                corners[part] = (x, self.y + HEAD + number * (BOX_H + GAP_Y))
                x += _width(part) + GAP_X
        return corners

    def svg(self) -> list[str]:
        """The band as SVG elements."""
        fill, ink = COLOURS[self.name]
        corners = self.boxes()
        lines = [
            f'<rect x="{self.x:.0f}" y="{self.y:.0f}" width="{self.width:.0f}" '
            f'height="{self.height:.0f}" rx="8" fill="{fill}"/>',
            f'<text x="{self.x + 12:.0f}" y="{self.y + 20:.0f}" fill="{ink}" '
            f'font-weight="bold">{self.name}</text>',
        ]
        for part, others in sorted(self.edges.items()):
            x, y = corners[part]
            for other in sorted(others):
                to_x, to_y = corners[other]
                lines.append(
                    f'<path d="M{x + _width(part) / 2:.0f} {y + BOX_H:.0f} '
                    f'L{to_x + _width(other) / 2:.0f} {to_y:.0f}" stroke="{ink}" '
                    f'stroke-opacity="0.45" marker-end="url(#head)"/>'
                )
        for part, (x, y) in corners.items():
            lines += [
                f'<rect x="{x:.0f}" y="{y:.0f}" width="{_width(part):.0f}" height="{BOX_H:.0f}" '
                f'rx="4" fill="white" stroke="{ink}"/>',
                f'<text x="{x + _width(part) / 2:.0f}" y="{y + 19:.0f}" '
                f'text-anchor="middle">{escape(part)}</text>',
            ]
        return lines


def _width(part: str) -> float:
    return max(BOX_W, 8.0 * len(part) + 16)


def draw() -> str:
    """The whole picture as SVG: the controller above workers and models, jobs below."""
    top, left, right, bottom = (Band(name, edges) for name, edges in read_imports().items())
    between = 40.0
    width = max(top.width, left.width + 30 + right.width, bottom.width) + 2 * PAD
    top.x, top.y = (width - top.width) / 2, PAD
    left.y = right.y = top.y + top.height + between
    left.x = (width - left.width - 30 - right.width) / 2
    right.x = left.x + left.width + 30
    bottom.x = (width - bottom.width) / 2
    bottom.y = left.y + max(left.height, right.height) + between
    height = bottom.y + bottom.height + PAD
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="DejaVu Sans, sans-serif" '
        f'font-size="13" fill="#222" stroke-width="1.2">',
        "<title>The packages of orch; an arrow points to what is imported</title>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#666" stroke="none"/>'
        "</marker></defs>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
    ]
    for upper, lower in ((top, left), (top, right), (left, bottom), (right, bottom)):
        x = (max(upper.x, lower.x) + min(upper.x + upper.width, lower.x + lower.width)) / 2
        lines.append(
            f'<path d="M{x:.0f} {upper.y + upper.height:.0f} V{lower.y - 2:.0f}" stroke="#666" '
            f'stroke-width="4" marker-end="url(#head)"/>'
        )
    for band in (top, left, right, bottom):
        lines += band.svg()
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    Path(__file__).with_name("packages.svg").write_text(draw(), encoding="utf-8")
