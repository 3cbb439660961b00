"""Which figures a study has: of its numbers, and of what lies behind them."""

from __future__ import annotations

import pandas as pd

from benchmark.pipeline.results import StudyResult
from benchmark.report.curves.method_curves import first_repeat
from benchmark.report.details import ranking
from benchmark.report.drawn.comparison import comparison_figure
from benchmark.report.drawn.drawing import Drawing
from benchmark.report.drawn.flowchart import flow_figure
from benchmark.report.drawn.method_curves import curves_figure
from benchmark.report.drawn.paired_folds import paired_folds_figure
from benchmark.report.drawn.panels import calibration_figure, confusion_figure
from benchmark.report.verdict.methods import RANKED_BY, methods_of
from benchmark.statistics.comparison.critical_difference import critical_difference_figure


def study_figures(result: StudyResult, tables: dict[str, pd.DataFrame]) -> dict[str, Drawing]:
    """Return the figures by name: comparison, confusion, flow.

    Of several methods also their paired folds, of two classes calibration and curves, of several groups the ranks.
    """
    study, methods = result.study, methods_of(result)
    shown = (tables["summary"], result.folds, list(study.compared_metrics), study.name)
    figures = {
        "comparison": Drawing(comparison_figure, shown),
        "confusion": Drawing(confusion_figure, (tables["confusion"], study.target.classes)),
        "flow": Drawing(flow_figure, (tables["flow"],)),
    }
    against = tables["claims"][tables["claims"]["family"] == "reference"]
    if len(against):
        of_methods = methods.folds[["run", "repeat", "fold", RANKED_BY]]
        figures["paired_folds"] = Drawing(paired_folds_figure, (of_methods, against, RANKED_BY))
    if study.target.binary:
        figures["calibration"] = Drawing(calibration_figure, (tables["calibration"],))
        curves = (first_repeat(methods), tables["decision_curve"], tables["curve_bands"])
        figures["curves"] = Drawing(curves_figure, curves)
    ranked = ranking(result, tables["groups"])
    if ranked is not None:
        title = "accuracy, ranked within each group of the cohort"
        figures["critical_difference"] = Drawing(critical_difference_figure, (ranked, title, "groups"))
    return figures
