"""Agents, as operators make and change them."""
