"""Triangles, sampling and compositing by the pixel."""
