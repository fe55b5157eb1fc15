"""What people give in settings: read, judged, and named when it is wrong."""
