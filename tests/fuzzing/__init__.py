"""Fuzzing with malformed client input: `cd tests && python -m fuzzing --cases 100000`, or `make fuzz`."""
