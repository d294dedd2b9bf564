"""Benchmarks of the running system; each module is a `styletalk bench NAME` command."""
