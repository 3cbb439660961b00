"""What frozen networks need: weights from the hub or the disk, strict loading, precision and devices."""
