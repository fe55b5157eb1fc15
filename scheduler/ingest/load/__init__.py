"""Checked rows to Postgres, a chunk at a time."""
