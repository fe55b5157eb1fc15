"""From a release to recorded outcomes."""
