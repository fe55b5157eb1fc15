"""Data directories: where they are, whose they are, and their end."""
