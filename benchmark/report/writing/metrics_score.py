"""METRICS, the METhodological RadiomICs Score: Kocak et al., Insights Imaging 2024;15:8. No score is computed."""

from benchmark.report.writing.checklist import Item

METRICS = (
    Item(1, "design", "a guideline was followed"),
    Item(2, "design", "the patients are those one means to speak of"),
    Item(3, "design", "the reference standard is good and defined", "outcome"),
    Item(4, "imaging", "more than one institution", "groups"),
    Item(5, "imaging", "scans as the clinic makes them"),
    Item(6, "imaging", "how scans were acquired", "acquisition"),
    Item(7, "imaging", "time between scan and reference standard"),
    Item(8, "segmentation", "how regions were drawn", "regions"),
    Item(9, "segmentation", "automatic segmentation was measured", "cacbench quality"),
    Item(10, "segmentation", "tested regions come from one reader or one tool", "regions"),
    Item(11, "features", "preprocessing that fits, and is described", "parameters"),
    Item(12, "features", "software that keeps to a standard", "software"),
    Item(13, "features", "parameters of the extraction", "defaults"),
    Item(14, "processing", "features that are not robust are dropped", "cacbench robustness"),
    Item(15, "processing", "redundant features are dropped", "reduction"),
    Item(16, "processing", "features are few for so many cases", "dimensions"),
    Item(17, "processing", "end-to-end networks are robust", "cacbench robustness"),
    Item(18, "modelling", "nothing leaks from tested to training cases", "split"),
    Item(19, "modelling", "confounders", "confounders"),
    Item(20, "comparison", "metrics that fit", "metrics"),
    Item(21, "comparison", "uncertainty", "intervals"),
    Item(22, "comparison", "calibration", "calibration"),
    Item(23, "comparison", "one kind of image, or why more", "one_modality"),
    Item(24, "comparison", "against what is not radiomic", "rules"),
    Item(25, "comparison", "against simple or classical models", "classical"),
    Item(26, "testing", "internal test", "test"),
    Item(27, "testing", "external test", "external"),
    Item(28, "openness", "data", "images"),
    Item(29, "openness", "code", "code"),
    Item(30, "openness", "models", "fitted"),
)
"""The 30 items, in our own words."""
