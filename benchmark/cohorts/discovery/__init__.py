"""What is in a folder of scans, and the study file that begins with it."""
