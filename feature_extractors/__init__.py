"""Plug-ins that turn a scan and a region of interest into one named vector."""
