"""The fault harness: a real stack, a nemesis, and invariants judged by the carrier's own log."""
