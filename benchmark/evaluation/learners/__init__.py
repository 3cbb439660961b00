"""What stands around a study's classifiers: ordered classes, and features reduced to their principal components."""
