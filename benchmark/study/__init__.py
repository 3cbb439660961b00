"""A study: what its file declares, checked."""
