"""A table of texts as Markdown and as LaTeX, to be taken into a paper."""

from __future__ import annotations

import pandas as pd

_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
}


def as_markdown(table: pd.DataFrame) -> str:
    """Return a pipe table with a line per row."""
    head, *rows = _cells(table)
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def as_latex(table: pd.DataFrame) -> str:
    """Return a `tabular` with the rules of the package booktabs."""
    head, *rows = [
        " & ".join("".join(_LATEX.get(sign, sign) for sign in cell) for cell in line) + r" \\"
        for line in _cells(table)
    ]
    columns = "l" * table.shape[1]
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _cells(table: pd.DataFrame) -> list[list[str]]:
    rows = table.astype(object).where(table.notna(), "").to_numpy().tolist()
    return [[str(cell) for cell in line] for line in [list(table.columns), *rows]]
