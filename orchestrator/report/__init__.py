"""A comparison as a page, tables and figures."""

from orchestrator.report.write import write

__all__ = ["write"]
