"""What stays the same: features measured again, features selected again."""
