"""The moves of messages and campaigns, one file a verb."""
