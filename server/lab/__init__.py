"""Benchmarks and the training and evaluation commands. Needs the `lab` extra; no other package imports it."""
