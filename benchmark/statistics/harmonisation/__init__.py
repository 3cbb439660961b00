"""Taking out of features what the scanner put in."""
