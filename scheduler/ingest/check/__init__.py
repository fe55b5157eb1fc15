"""Rows to accepted and rejected ones, with a report."""
