"""Our own routes under /api."""
