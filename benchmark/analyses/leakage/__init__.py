"""The leakage audit: what each unsound protocol adds to a study's numbers, and what is found in permuted labels."""
