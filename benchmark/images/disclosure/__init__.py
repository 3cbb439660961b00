"""What may be written of a scan: terms on a list, and files by their place."""
