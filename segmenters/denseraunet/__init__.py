"""DenseRAUnet: calcium segmentation in non-contrast CT, a documented reconstruction of arXiv 1907.11392."""
