"""The harness: cohorts, pipeline, evaluation, statistics, tracking, reports and the command line."""

__version__ = "0.1.0"
IS_CACBENCH = True
"""Tells this package from others of its name."""
