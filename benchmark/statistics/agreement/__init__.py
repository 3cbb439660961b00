"""Whether two ways of measuring the same cases agree: limits, categories, and both for scores that begin at zero."""
