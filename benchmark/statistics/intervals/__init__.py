"""How sure a number is: proportions, the bootstrap over cases, calibration."""
