"""What a radiology report says: its sentences, what is denied in them, and counts of a fixed vocabulary."""
