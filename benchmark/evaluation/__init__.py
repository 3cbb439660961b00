"""What is predicted, on which folds, and how one fold is learnt and scored."""
