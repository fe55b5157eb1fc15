"""What comes back from providers."""
