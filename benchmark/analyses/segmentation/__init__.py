"""Evaluates calcium segmentations against reference masks: `cacbench segmentation STUDY`."""
