"""Calcium scores, and what counts as calcium in a reference."""
