"""Keys, short-lived tokens, limits, and the guard in front of every request."""
