"""Malformed input from outside: `cd tests && python -m fuzzing --cases 100000`, or `make fuzz`."""
