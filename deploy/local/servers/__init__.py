"""The server programs of the local stack: embedded ones, Flower, and the database for commands."""
