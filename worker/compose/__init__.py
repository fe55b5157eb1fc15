"""The words of messages, written ahead of their slots."""
