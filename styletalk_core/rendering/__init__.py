"""Renderers: portrait and motion to frames."""
