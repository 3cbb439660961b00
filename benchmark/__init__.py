"""The harness: cohorts, pipeline, evaluation, statistics, tracking, reports and the command line."""

__version__ = "0.1.0"
