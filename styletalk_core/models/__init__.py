"""The paper's networks, their weight files, and compiled and captured versions of the decoder."""
