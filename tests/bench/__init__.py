"""Measurements: `python -m tests.bench` (or `make bench`) prints a table and writes bench.json."""
