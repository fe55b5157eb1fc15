"""`volley check`."""
