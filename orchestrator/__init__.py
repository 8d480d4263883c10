"""The controller: command line, submission, status, analysis, reports."""
