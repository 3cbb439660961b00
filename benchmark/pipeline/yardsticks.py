"""Rules that learn nothing, on the same cases and folds as every run: what a method must beat to be worth its learning.

``majority`` calls what most training cases are, ``maximum HU >= 130`` and ``Agatston > 0`` look into the region of the
reference run, and the ceiling scores the calcium that is truly there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.calcium.scoring import STANDARD
from benchmark.errors import UserError
from benchmark.evaluation.splits import Split
from benchmark.pipeline.cases import IdentifiedCases
from benchmark.pipeline.extraction import Wanted
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.plugins import FeatureExtractor, Segmenter
from benchmark.plugins.registry import build
from benchmark.study.study import Study

REGION, TRUTH = "rules/region", "rules/truth"  # a slash, as no extractor has
SCAN = "rules/scan"
"""No rule looks at it. The audit learns from it, and would have to read every scan again."""
MAJORITY = "majority"
CEILING = "true Agatston > 0"
Rule = Callable[[Split], tuple[NDArray[np.float64], NDArray[np.intp]]]
"""From a fold to the scores that order its tested cases, and the class codes it calls them."""


def wanted_for_yardsticks(study: Study, identified: IdentifiedCases) -> list[Wanted]:
    """Return what the rules must know of each case, as far as the cohort can tell; nothing where none are declared."""
    if study.yardsticks is None:
        return []
    looks, tells = (
        cast(FeatureExtractor, build("feature_extractor", name))
        for name in ("calcium_rule", "image_diagnostics")
    )
    region, wanted = study.segmenters[study.region], []
    if _can_run(region):
        wanted += [Wanted(REGION, region, looks), Wanted(SCAN, region, tells)]
    truth = study.yardsticks.truth
    if truth is not None and _all_have(study, identified, truth):
        calcium = {"use": "reference", "mask": truth, "may_be_empty": True}
        wanted.append(Wanted(TRUTH, cast(Segmenter, build("segmenter", calcium)), looks))
    return wanted


def _can_run(segmenter: Segmenter) -> bool:
    """Say whether a segmenter is ready; one whose weights cannot be had after all loses its own rows, not the study."""
    try:
        segmenter.fingerprint()
    except UserError:
        return False
    return segmenter.availability().ready


def _all_have(study: Study, identified: IdentifiedCases, mask: str) -> bool:
    """Say whether every case is known to have a mask: to try costs each start the reading of every scan."""
    known = study.cohort.mask_names or ()
    return all(mask in (getattr(case.source, "mask_names", known) or ()) for case in identified.readable)


def follow_rules(plan: EvaluationPlan) -> pd.DataFrame:
    """Return what each rule calls each tested case, rows as of `EvaluationPlan.predictions`; none if none are declared.

    A rule is left out where a case lacks what it looks at. ``score`` orders the cases (HU, or Agatston score) and is
    no probability.
    """
    rows = [plan.called(name, split, *rule(split)) for name, rule in _rules(plan) for split in plan.splits]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["run"])


def _rules(plan: EvaluationPlan) -> Iterator[tuple[str, Rule]]:
    if plan.study.yardsticks is None:
        return
    yield MAJORITY, lambda split: _majority(plan, split)
    region = _complete(plan, REGION)
    if region is not None and plan.study.target.binary:
        hu, limit = region["maximum_hu"].to_numpy(), STANDARD.threshold_hu
        yield (
            f"maximum HU >= {limit:g}",
            lambda split: (hu[split.test], (hu >= limit).astype(np.intp)[split.test]),
        )
    for name, table in (("Agatston > 0", region), (CEILING, _complete(plan, TRUTH))):
        if table is not None:
            yield name, _by_agatston(plan, table["agatston"])


def _complete(plan: EvaluationPlan, name: str) -> pd.DataFrame | None:
    table = plan.features.yardsticks.get(name, pd.DataFrame())
    return table.loc[plan.case_ids] if set(plan.case_ids) <= set(table.index) else None


def _majority(plan: EvaluationPlan, split: Split) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    most = np.bincount(plan.labels[split.train]).argmax()
    return np.zeros(len(split.test)), np.full(len(split.test), most, np.intp)


def _by_agatston(plan: EvaluationPlan, agatston: pd.Series) -> Rule:
    """Return the rule that calls a case what its measured score says: as if it were the true one."""
    measured = pd.DataFrame({"cac_score": agatston, "label": (agatston > 0).astype(int)})
    score, called = agatston.to_numpy(), plan.study.target.codes(measured)
    return lambda split: (score[split.test], called[split.test])
