"""AI-CAC: coronary calcium on chest CT without gating or contrast, by weights that the user brings."""
