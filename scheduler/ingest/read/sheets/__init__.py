"""Spreadsheet files, read a row at a time in flat memory; each cell as the program shows it."""
