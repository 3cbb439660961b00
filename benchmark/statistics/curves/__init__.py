"""Curves over all thresholds, and how far other patients could move them."""
