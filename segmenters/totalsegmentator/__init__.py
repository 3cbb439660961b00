"""TotalSegmentator, in a process of its own."""
