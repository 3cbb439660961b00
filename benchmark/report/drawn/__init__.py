"""A study's figures: what draws each from tables alone, and their files, drawn anew where what they show changed."""
