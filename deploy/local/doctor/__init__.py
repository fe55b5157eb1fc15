"""`volley doctor`: one check a file, and their list."""
