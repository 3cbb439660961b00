"""A finished run, frozen, on another cohort: what is left of what it did on its own."""
