"""Stand-ins for the providers: they speak the wire, and import nothing of ours."""
