"""The dispatcher chooses which messages go out in the next instants."""
