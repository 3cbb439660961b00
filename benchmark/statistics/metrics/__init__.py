"""Metrics of decisions and scores, of single cases and of weighted samples."""
