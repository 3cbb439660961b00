"""What one run's features contribute: families left out, columns permuted, selections compared, SHAP values."""
