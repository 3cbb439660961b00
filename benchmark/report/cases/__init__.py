"""A study's results case by case: by how much calcium there is, and those that most methods miss."""
