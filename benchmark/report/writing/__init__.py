"""What a paper needs of a finished study: methods in words, the headline table, checklists filled in."""
