"""What scans a network learnt from."""
