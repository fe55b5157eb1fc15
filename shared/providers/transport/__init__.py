"""HTTP to providers: warm connections, and which addresses may be reached."""
