"""A server and its clients for an hour of real time."""
