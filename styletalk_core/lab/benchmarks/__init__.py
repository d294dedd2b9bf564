"""Benchmarks of single models; each module is a `styletalk bench NAME` command."""
