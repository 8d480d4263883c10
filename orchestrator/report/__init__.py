"""A comparison as a page, tables and figures."""

from orchestrator.report.folder import write

__all__ = ["write"]
