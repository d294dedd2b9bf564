"""Benchmarks of the running system; each module is one `styletalk bench NAME`."""
