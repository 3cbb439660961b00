"""Plaques of exact mass put into real scans, each blurred as the scan itself is and with its noise left as it is."""
