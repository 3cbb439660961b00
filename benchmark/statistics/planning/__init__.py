"""What a study could show: power, and how often tests find what is not there."""
