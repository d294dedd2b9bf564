"""Benchmarks of single models; each module is one `styletalk bench NAME`."""
