"""How a study's results were made, for whoever wants them again: file, command, seed, commit, machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.execution.environment import git_commit
from benchmark.study.study import Study


def how_made(study: Study, facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return rows ``what`` and ``is``; `facts` are those of `facts_of`. No path, and nothing that changes with time."""
    file = study.file.name if study.file is not None else ""
    changed = f" {study.overrides}" if study.overrides else ""
    rows = {
        "study file": f"{file}, as it was read: study.yaml" if file else "declared in Python",
        "command": f"cacbench run {file}{changed}" if file else "",
        "to compare with a second run": "cacbench reproduce, given the folder of this page or its run in MLflow",
        "seed": str(study.seed),
        "commit of cacbench": git_commit() or "not known: installed outside its checkout",
        "processor": facts["processor"],
        "versions": ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
    }
    return pd.DataFrame([row for row in rows.items() if row[1]], columns=["what", "is"])


def further_analyses(study: Study) -> pd.DataFrame:
    """Return rows of what other commands find out about this study, and where each writes its page."""
    file = study.file.name if study.file is not None else "STUDY"
    run = study.reference_run
    rows = [
        ("what would unsound protocols add, and what is found in permuted labels?", f"audit {file}", "audit"),
        ("what does a run learn from?", f"explain {file} --run {run}", f"explain/{run.replace('/', '_')}"),
        ("how many scans would tell two runs apart?", f"power {file}", "power"),
        ("what would more patients bring, and what does each run cost?", f"curve {file}", "curve"),
        ("how well do the segmenters agree, in every case?", f"quality {file}", "quality"),
        ("what is left of a run on another cohort?", f"apply {file} {run} OTHER", "apply/…"),
    ]
    table = pd.DataFrame(rows, columns=["question", "command", "page"])
    return table.assign(command="cacbench " + table["command"], page=table["page"] + "/report.html")


def question_of(study: Study, methods: Sequence[str]) -> str:
    """Return what the study asks, as a sentence."""
    what = "calcium from none" if study.target.binary else "the bands of the Agatston score"
    asked = study.comparisons.asked
    if asked:
        return f"Does {asked[0]} tell {what} more often rightly than {asked[1]}?"
    if len(methods) == 1:
        return f"How often does {methods[0]} tell {what} rightly?"
    return f"Which of {len(methods)} methods tells {what} most often rightly: {', '.join(methods)}?"
