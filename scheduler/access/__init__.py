"""Who may ask, and who did what: keys and the audit."""
