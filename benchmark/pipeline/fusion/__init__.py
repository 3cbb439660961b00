"""Tables of features that come from no scan alone: those of reports, and those of two extractions side by side."""
