"""One scan by itself: what a segmenter finds in it, the score of that, and a picture."""
