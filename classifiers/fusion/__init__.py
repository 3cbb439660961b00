"""Classifiers that learn from a scan's features and its report's: joined early, or stacked late."""
