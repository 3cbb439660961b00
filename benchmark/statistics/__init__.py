"""Comparing methods on plain arrays and tables; imports nothing else of the project."""
