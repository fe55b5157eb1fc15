"""Handle what providers send back."""
