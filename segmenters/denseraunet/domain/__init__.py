"""What scans a network learnt from, and whether a scan is of that kind."""
