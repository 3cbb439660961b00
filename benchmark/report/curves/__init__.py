"""What a method's probabilities are worth at every threshold."""
