"""LaTeX tables that compile with any engine, whatever the class names."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Table

LONGEST = 40
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": "'",
    "`": r"\textasciigrave{}",
    "-": "-",
    "–": "--",
    "−": "$-$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "…": r"\ldots{}",
    "’": "'",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "✓": r"$\surd$",
    "✗": r"$\times$",
}
HEAD = r"""% Every table of the report. Compiles with pdflatex, xelatex and lualatex.
% \input{tables/NAME.tex} takes one of them (it needs the packages and \uni below).
\documentclass[10pt]{article}
\usepackage[a4paper,margin=20mm,landscape]{geometry}
\usepackage{graphicx}
\usepackage{longtable}
\usepackage[T1]{fontenc}
\newcommand{\uni}[1]{\texttt{U+#1}} % a character that not every font has, by its number
\setlength{\parindent}{0pt}
\begin{document}
"""


def escape(text: str) -> str:
    """Escape a text: no commands, and only characters that every engine can typeset."""
    return "".join(_character(c) for c in wording.plain(text))


def document(title: str, sentences: Sequence[str], tables: Sequence[Table]) -> str:
    """A document with every table, each included from its own file."""
    body = [
        HEAD,
        rf"\section*{{{escape(title)}}}",
        *(escape(sentence) + r"\par" for sentence in sentences if sentence),
    ]
    for table in tables:
        body += [
            rf"\subsection*{{{escape(table.title or table.name)}}}",
            rf"\input{{tables/{table.name}.tex}}",
        ]
    return "\n".join([*body, r"\end{document}", ""])


def tabular(table: Table) -> str:
    """One table, best rows in bold; long tables break across pages, others fit the page width."""
    columns = "".join("r" if i in table.numeric else "l" for i in range(len(table.head)))
    if "pairs" in table.style:
        columns = r"lp{0.7\linewidth}"
    rows = [_row(row, i in table.best) for i, row in enumerate(table.rows)]
    head = _row(table.head, True)
    if len(rows) > LONGEST or "pairs" in table.style:
        begin = [
            r"{\footnotesize",
            rf"\begin{{longtable}}{{{columns}}}",
            r"\hline",
            head,
            r"\hline",
            r"\endhead",
        ]
        return "\n".join([*begin, *rows, r"\hline", r"\end{longtable}}", ""])
    begin = [
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\hline",
        head,
        r"\hline",
    ]
    return "\n".join([*begin, *rows, r"\hline", r"\end{tabular}}", ""])


def _row(cells: Sequence[str], bold: bool) -> str:
    told = [rf"\textbf{{{escape(cell)}}}" if bold and cell else escape(cell) for cell in cells]
    return " & ".join(f"{{{cell}}}" if cell.startswith("[") else cell for cell in told) + r" \\"


def _character(c: str) -> str:
    if c in SPECIAL:
        return SPECIAL[c]
    return c if c.isascii() else rf"\uni{{{ord(c):04X}}}"
