"""Twilio, simulated: `volley carrier`."""
