"""From declared study to results: plans the work and has done what the store lacks."""

from benchmark.pipeline.case_checks import check_cases
from benchmark.pipeline.cases import identify_cases, list_cases
from benchmark.pipeline.features import extract_features
from benchmark.pipeline.plan import refuse_unsplittable
from benchmark.pipeline.run import plan_study, run_study

__all__ = [
    "check_cases",
    "extract_features",
    "identify_cases",
    "list_cases",
    "plan_study",
    "refuse_unsplittable",
    "run_study",
]
