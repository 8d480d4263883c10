"""How elements of a report become HTML, Markdown, LaTeX and figures."""
