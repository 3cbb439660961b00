"""Plans the work, runs what the store lacks, and puts the results together. Only the parent process writes the store."""

from benchmark.pipeline.features import extract_features
from benchmark.pipeline.folds import run_study

__all__ = ["extract_features", "run_study"]
