"""Generators of pages: measured sections, model cards."""
