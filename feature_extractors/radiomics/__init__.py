"""PyRadiomics features of the ROI, with its two slowest measures by exact shortcuts."""
