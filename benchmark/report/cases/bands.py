"""How often methods are right in each band of the Agatston score: whether they miss a little calcium or much."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmark.evaluation.target import AgatstonBands
from benchmark.pipeline.results import StudyResult
from benchmark.report.verdict.methods import Methods
from benchmark.statistics.intervals.proportions import wilson_of_cases

COLUMNS = ("method", "band", "cases", "accuracy", "low", "high")


def band_table(result: StudyResult, methods: Methods) -> pd.DataFrame:
    """Return one row per method or rule and band: cases, accuracy, Wilson's interval; of repeats the first.

    No row where the score of a tested case is not known.
    """
    cases = result.features.cases
    first = methods.predictions[methods.predictions["repeat"] == methods.predictions["repeat"].min()]
    scores = cases["cac_score"].reindex(first["case_id"].unique())
    if scores.isna().any():
        return pd.DataFrame(columns=list(COLUMNS))
    bands = AgatstonBands()
    of_case = pd.Series(np.asarray(bands.classes)[bands.codes(scores.to_frame())], index=scores.index)
    rows = []
    for name in [*methods.names, *methods.rules]:
        mine = first[first["run"] == name]
        right, band = (mine["label"] == mine["predicted"]).to_numpy(), mine["case_id"].map(of_case).to_numpy()
        whose = mine["case_id"].map(cases["patient"]).to_numpy()
        for each in bands.classes:
            if (here := band == each).any():
                ends = wilson_of_cases(right[here], whose[here])
                rows.append((name, each, int(here.sum()), float(right[here].mean()), *ends))
    return pd.DataFrame(rows, columns=list(COLUMNS))
