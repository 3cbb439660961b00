"""Fitted models as bytes."""
