"""Time, queues, batching and session logic; NumPy and the standard library only."""
