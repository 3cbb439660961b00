"""Whether two methods differ: tests on folds and on cases, families of tests, ranks."""
