"""Rasterization, texture sampling and compositing."""
