"""The radiology report of a phantom, written from its truth in several styles, right about its calcium or not."""
