"""Bones and cartilage around the heart."""
