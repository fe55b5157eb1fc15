"""HTTP to providers: warm connections, and checks of addresses."""
