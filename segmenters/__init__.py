"""Plug-ins that find a region of interest in a scan."""
