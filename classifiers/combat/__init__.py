"""Classifiers behind ComBat, which takes the scanners' part out of the features."""
