"""`volley campaign`."""
