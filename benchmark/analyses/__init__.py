"""What can be asked beside the comparison itself: one room for each question."""
