"""The contract of the four kinds of plug-in; how they are declared, found and hashed."""

from benchmark.plugins.base import Availability, Classifier, Cohort, FeatureExtractor, Segmenter

__all__ = ["Availability", "Classifier", "Cohort", "FeatureExtractor", "Segmenter"]
