"""Grids, tubes, sections and partial volumes: the shapes that anatomy is painted with."""
