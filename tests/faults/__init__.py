"""A small study under attack: killed, damaged, crowded, moved; what it lost is counted."""
