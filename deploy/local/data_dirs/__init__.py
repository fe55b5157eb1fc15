"""Data directories: their places, their owners, their removal."""
