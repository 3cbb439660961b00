"""Radiomics by mirp: all features of IBSI 1, the filters of IBSI 2, and means over perturbed images and regions."""
