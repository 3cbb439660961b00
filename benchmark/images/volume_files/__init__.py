"""Formats that keep a volume in one file: what each header must say before its voxels are believed."""
