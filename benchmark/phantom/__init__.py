"""The synthetic CT: patients, their disease and the scanner, each from a seed of its own."""
