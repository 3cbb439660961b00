"""The public API of cacbench. Import from here; the packages behind it have names that others may have, too.

Everything is imported when it is first asked for, so that ``import cacbench`` is instant.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark import __version__ as __version__
    from benchmark.analyses.study_run import FinishedStudy as FinishedStudy
    from benchmark.analyses.study_run import read as read
    from benchmark.analyses.study_run import run as run
    from benchmark.calcium.risk import cac_drs as cac_drs
    from benchmark.calcium.risk import risk_band as risk_band
    from benchmark.calcium.scoring import score as score
    from benchmark.case import Anomaly as Anomaly
    from benchmark.case import Case as Case
    from benchmark.case import Exclusion as Exclusion
    from benchmark.case import Scan as Scan
    from benchmark.case import ScanWarning as ScanWarning
    from benchmark.errors import CaseError as CaseError
    from benchmark.errors import UserError as UserError
    from benchmark.execution.execution import Execution as Execution
    from benchmark.execution.execution import open_execution as open_execution
    from benchmark.images.reading import read_image as read_image
    from benchmark.images.reading import read_mask as read_mask
    from benchmark.pipeline.features import extract_features as extract_features
    from benchmark.pipeline.results import Features as Features
    from benchmark.pipeline.results import StudyResult as StudyResult
    from benchmark.pipeline.run import run_study as run_study
    from benchmark.plugins.base import Availability as Availability
    from benchmark.plugins.base import Classifier as Classifier
    from benchmark.plugins.base import Cohort as Cohort
    from benchmark.plugins.base import FeatureExtractor as FeatureExtractor
    from benchmark.plugins.base import Segmenter as Segmenter
    from benchmark.plugins.checks import check_plugin as check_plugin
    from benchmark.plugins.registry import build as build
    from benchmark.plugins.training import Trainer as Trainer
    from benchmark.plugins.training import TrainingJob as TrainingJob
    from benchmark.report.tables import read_tables as read_tables
    from benchmark.statistics.comparison.pairwise import compare_all as compare_all
    from benchmark.statistics.intervals.bootstrap import Resampling as Resampling
    from benchmark.statistics.intervals.calibration import brier_score as brier_score
    from benchmark.statistics.intervals.classes import class_metrics as class_metrics
    from benchmark.statistics.intervals.headline import bootstrap_metrics as bootstrap_metrics
    from benchmark.statistics.metrics.scores import all_metrics as all_metrics
    from benchmark.statistics.stability.selection import selection_frequency as selection_frequency
    from benchmark.study.reading import read_study as read_study
    from benchmark.study.study import Study as Study
    from cacbench.scan_features import ScanFeatures as ScanFeatures

_HOME = {
    "__version__": "benchmark",
    **dict.fromkeys(("cac_drs", "risk_band"), "benchmark.calcium.risk"),
    "score": "benchmark.calcium.scoring",
    **dict.fromkeys(("Anomaly", "Case", "Exclusion", "Scan", "ScanWarning"), "benchmark.case"),
    **dict.fromkeys(("CaseError", "UserError"), "benchmark.errors"),
    **dict.fromkeys(("Execution", "open_execution"), "benchmark.execution.execution"),
    **dict.fromkeys(("read_image", "read_mask"), "benchmark.images.reading"),
    "extract_features": "benchmark.pipeline.features",
    "ScanFeatures": "cacbench.scan_features",
    **dict.fromkeys(("Features", "StudyResult"), "benchmark.pipeline.results"),
    "run_study": "benchmark.pipeline.run",
    **dict.fromkeys(
        ("Availability", "Classifier", "Cohort", "FeatureExtractor", "Segmenter"), "benchmark.plugins.base"
    ),
    "check_plugin": "benchmark.plugins.checks",
    "build": "benchmark.plugins.registry",
    **dict.fromkeys(("Trainer", "TrainingJob"), "benchmark.plugins.training"),
    **dict.fromkeys(("FinishedStudy", "read", "run"), "benchmark.analyses.study_run"),
    "read_tables": "benchmark.report.tables",
    "compare_all": "benchmark.statistics.comparison.pairwise",
    "Resampling": "benchmark.statistics.intervals.bootstrap",
    "brier_score": "benchmark.statistics.intervals.calibration",
    "class_metrics": "benchmark.statistics.intervals.classes",
    "bootstrap_metrics": "benchmark.statistics.intervals.headline",
    "all_metrics": "benchmark.statistics.metrics.scores",
    "selection_frequency": "benchmark.statistics.stability.selection",
    "read_study": "benchmark.study.reading",
    "Study": "benchmark.study.study",
}
"""Where each public name lives."""

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Import a public name. Raises `ImportError` where another package is called `benchmark`."""
    if name not in _HOME:
        raise AttributeError(f"module 'cacbench' has no attribute {name!r}")
    _refuse_another_benchmark()
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return sorted(_HOME)


def main() -> None:
    """Run the command line, or say in a sentence why it cannot."""
    try:
        _refuse_another_benchmark()
    except ImportError as error:
        print(f"cacbench: {error}", file=sys.stderr)
        sys.exit(2)
    try:
        from benchmark.cli import main as run

        run()
    except KeyboardInterrupt:  # while libraries are imported, before the command line sees to it
        print("cacbench: interrupted", file=sys.stderr)
        sys.exit(130)


def _refuse_another_benchmark() -> None:
    package = import_module("benchmark")
    if not getattr(package, "IS_CACBENCH", False):
        place = getattr(package, "__file__", None) or next(iter(getattr(package, "__path__", ["?"])))
        raise ImportError(
            f"another package named 'benchmark' is found first, at {place}: uninstall it, or install cacbench into "
            "an environment of its own"
        )
