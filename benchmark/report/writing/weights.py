"""Whose weights a study's results rest on: their licence, and what they have learnt from."""

from __future__ import annotations

import pandas as pd

from benchmark.pipeline.results import StudyResult
from benchmark.plugins.base import with_nested

COLUMNS = ["plug-in", "licence", "trained on", "may have seen patients of"]


def weights_of_others(result: StudyResult) -> pd.DataFrame:
    """Return one row per segmenter and extractor with published weights on which a run with a result rests."""
    study, rows = result.study, []
    extractors = list(dict.fromkeys(run.extractor for run in result.all_runs()))
    segmenters = list(dict.fromkeys(study.extractors[name].segmenter for name in extractors))
    plugins = {name: study.segmenters[name] for name in segmenters}
    for name, plugin in [
        *plugins.items(),
        *((name, study.extractors[name].extractor) for name in extractors),
    ]:
        for one in with_nested(plugin):
            if (used := one.provenance_used()) is not None:
                seen = used.may_hold or ("nobody" if used.trained_on else "not stated")
                rows.append((name, used.terms, used.trained_on or "not stated", seen))
    return pd.DataFrame(rows, columns=COLUMNS)
