"""Every estimator of ours keeps scikit-learn's own contract."""

import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

from benchmark.evaluation.learners.ordinal import OrdinalClassifier
from benchmark.evaluation.learners.reduced import PrincipalComponents
from cacbench.scan_features import ScanFeatures
from classifiers.combat.step import CombatStep
from classifiers.finetuned.estimator import FinetunedNetwork
from classifiers.fusion.blocks import Blocks, CoordinateScaling, TermWeights, VaryingColumns
from classifiers.fusion.stacking import StackedReport
from classifiers.preprocessing import CorrelationFilter


@pytest.mark.parametrize(
    ("estimator", "at_least"),
    [
        (CorrelationFilter(), 46),
        (OrdinalClassifier(LogisticRegression()), 54),
        (OrdinalClassifier(DecisionTreeClassifier(random_state=0)), 54),
        (PrincipalComponents(), 46),
        (CoordinateScaling(), 40),
        (ScanFeatures(), 1),  # scans are no table of numbers, and the other checks hand over tables
    ],
    ids=lambda value: repr(value) if isinstance(value, BaseEstimator) else "",
)
def test_scikit_learns_own_checks_pass(estimator, at_least):
    outcomes = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = {item["check_name"]: str(item["exception"]) for item in outcomes if item["status"] == "failed"}
    assert failed == {}
    assert sum(item["status"] == "passed" for item in outcomes) >= at_least


def test_no_estimator_of_ours_is_left_out():
    # A network takes an extractor's activations, (cases, views, …), ComBat a last column of scanners, and fusion
    # columns of two kinds, told by their place: no check of scikit-learn hands these over.
    joined = {Blocks, StackedReport, TermWeights, VaryingColumns}
    checked = {
        CoordinateScaling,
        CorrelationFilter,
        OrdinalClassifier,
        PrincipalComponents,
        ScanFeatures,
        FinetunedNetwork,
        CombatStep,
        *joined,
    }
    ours = {
        cls
        for cls in _below(BaseEstimator)
        if cls.__module__.partition(".")[0]
        in ("cacbench", "benchmark", "classifiers", "segmenters", "feature_extractors")
    }
    assert ours == checked


def _below(cls):
    for child in cls.__subclasses__():
        yield child
        yield from _below(child)
