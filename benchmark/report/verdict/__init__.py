"""What a study's numbers allow to be said: its methods, where they stand, and the sentences."""
