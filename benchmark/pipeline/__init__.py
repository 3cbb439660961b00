"""From declared study to results: plans the work and runs what the store lacks. Only the parent process writes."""

from benchmark.pipeline.features import extract_features
from benchmark.pipeline.folds import run_study

__all__ = ["extract_features", "run_study"]
