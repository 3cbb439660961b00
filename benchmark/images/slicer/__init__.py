"""Segmentations of 3D Slicer."""
