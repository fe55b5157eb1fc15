"""Campaigns, as operators make, move and read them."""
