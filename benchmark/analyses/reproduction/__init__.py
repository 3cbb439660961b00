"""A finished study made anew from what its results or MLflow hold, and compared number by number."""
