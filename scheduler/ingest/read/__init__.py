"""Bytes to rows: encoding, delimiter, header, sheets."""
