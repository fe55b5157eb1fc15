"""The HTTP edge: one app, its guards, our API and the way in for callbacks."""
