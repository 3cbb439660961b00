"""Plug-ins that learn from feature tables, each with its grid."""
