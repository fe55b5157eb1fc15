"""People, and what they do not want to get."""
