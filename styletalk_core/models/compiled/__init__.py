"""Compiled CPU decoder: packed weights and numba kernels."""
