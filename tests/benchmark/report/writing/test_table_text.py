"""A table leaves as Markdown that reads back and as LaTeX in which no sign of a name means something else."""

import pandas as pd

from benchmark.report.writing.table_text import as_latex, as_markdown

TABLE = pd.DataFrame(
    {"method": ["(Agatston > 0)", r"a_b & 5 % of \x", "a|b"], "skill": ["+9 [+2, +16]", None, "1–3"]}
)


def test_markdown_reads_back():
    head, rule, *rows = as_markdown(TABLE).splitlines()
    assert (head, rule) == ("| method | skill |", "| --- | --- |")
    cells = [[cell.strip() for cell in row.replace(r"\|", "\0").strip("|").split("|")] for row in rows]
    assert cells == [["(Agatston > 0)", "+9 [+2, +16]"], [r"a_b & 5 % of \x", ""], ["a\0b", "1–3"]]


def test_latex_escapes_what_would_mean_something_else():
    lines = as_latex(TABLE).splitlines()
    assert lines[0] == r"\begin{tabular}{ll}"
    assert lines[4] == r"(Agatston \textgreater{} 0) & +9 [+2, +16] \\"
    assert lines[5] == r"a\_b \& 5 \% of \textbackslash{}x &  \\"
    assert lines[6] == r"a|b & 1--3 \\"
