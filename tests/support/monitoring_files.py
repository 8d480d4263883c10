"""The expressions of the alerts and of the dashboard in `deploy/monitoring`, and what they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from support.command_lines import ROOT

FOLDER = ROOT / "deploy" / "monitoring"
OF_PROMETHEUS = {"instance", "job"}
"""Labels that Prometheus adds to each series."""

METRIC = re.compile(r"\b(orch_[a-z_]+)(?:\{([^}]*)\})?")
SELECTOR = re.compile(r'(\w+)\s*(=~|=|!~|!=)\s*"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
TEMPLATE = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")


@dataclass(frozen=True)
class Expression:
    """An expression with the label names that its texts show."""

    where: str
    expr: str
    shown: frozenset[str] = field(default_factory=frozenset)

    def selectors(self) -> Iterator[tuple[str, dict[str, list[str]]]]:
        """Each metric with the values that it wants of each label."""
        for name, inside in METRIC.findall(self.expr):
            pairs = SELECTOR.findall(inside)
            yield name, {label: value.split("|") for label, _, value in pairs}

    def labels(self) -> set[str]:
        """Labels that the expression groups by or its texts show."""
        grouped = {
            each.strip() for inside in GROUPED.findall(self.expr) for each in inside.split(",")
        }
        return (grouped | self.shown) - OF_PROMETHEUS


def alerts() -> list[Expression]:
    """The expression of each alert."""
    groups: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return [
        Expression(rule["alert"], rule["expr"], _shown(" ".join(rule["annotations"].values())))
        for rule in rules
    ]


def panels() -> list[Expression]:
    """The expression of each line in the dashboard."""
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    return [
        Expression(panel["title"], target["expr"], _shown(target["legendFormat"]))
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]


def _shown(text: str) -> frozenset[str]:
    return frozenset(TEMPLATE.findall(text)) - {"value"}
