"""What every simulator is made of: an HTTP server and client, timers, faults, a log."""
