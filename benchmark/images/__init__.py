"""Bytes become a scan: files and DICOM series, geometry in mm, HU, checked once."""
