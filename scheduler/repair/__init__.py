"""The loops that find lost work and repair it."""
