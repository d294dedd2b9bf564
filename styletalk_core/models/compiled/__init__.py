"""The decoder compiled for a processor: packed weights and the steps of a frame."""
