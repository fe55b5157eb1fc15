"""Simulators of providers: they implement the providers' HTTP, and import nothing of ours."""
