"""The leak guard of reports: text that states the label outright is read and not predicted from."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmark.pipeline.results import StudyResult
from benchmark.plugins.reports import ReportExtractor
from benchmark.statistics.intervals.proportions import wilson


def statements_found(result: StudyResult, accuracy: pd.Series) -> Iterator[tuple[str, float, str, str]]:
    """Yield for each extractor that reads stated labels its name, their share of reports, the finding and the remedy.

    `accuracy` is that of each run. Where the study has a row without such sentences, its accuracy is the remedy's.
    """
    labels = result.features.cases["label"]
    for name, stated in result.features.stated.items():
        table = result.features.tables.get(name)
        if table is None:  # its encoder is not available here
            continue
        right = sum(said == bool(labels[case]) for case, said in stated.items())
        low, high = wilson(right, len(stated))
        yield (
            name,
            len(stated) / len(table),
            f"{len(stated)} of {len(table)} cases have a sentence that says whether there is coronary calcium, and "
            f"{right / len(stated):.0%} of these say what the label says (95 % interval {low:.2f} to {high:.2f}): what "
            "is learnt from them is read and not predicted",
            _without(result, name, accuracy),
        )


def _without(result: StudyResult, name: str, accuracy: pd.Series) -> str:
    """Return the accuracy without such sentences, or how to have it."""
    rows = []
    for other, extraction in result.study.extractors.items():
        guarded = extraction.extractor
        if isinstance(guarded, ReportExtractor) and guarded.leaves_out_statements and not extraction.permuted:
            own = accuracy[accuracy.index.str.startswith(f"{other}/")]
            rows += [f"{other} {own.max():.3f}"] if len(own) else []
    if not rows:
        return f"run beside it an extractor like {name} with `without_statements: true`"
    best = accuracy[accuracy.index.str.startswith(f"{name}/")]
    with_them = f"{name} {best.max():.3f}" if len(best) else "not run"
    return f"accuracy with them: {with_them}; without: {', '.join(rows)}"
