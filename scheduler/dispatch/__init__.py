"""The dispatcher: which messages go out in the next instants."""
