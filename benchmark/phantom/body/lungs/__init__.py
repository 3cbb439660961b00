"""Lungs: what fills them, airways and vessels."""
