"""From declared study to results: plans the work and runs what the store lacks. Only the parent process writes."""

from benchmark.pipeline.features import extract_features
from benchmark.pipeline.plan import refuse_unsplittable
from benchmark.pipeline.run import run_study

__all__ = ["extract_features", "refuse_unsplittable", "run_study"]
