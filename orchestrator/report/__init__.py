"""A comparison as a page, tables and figures."""

from orchestrator.report.folder import DEFAULT, FORMATS, write, write_several

__all__ = ["DEFAULT", "FORMATS", "write", "write_several"]
