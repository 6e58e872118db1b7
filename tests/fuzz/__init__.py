"""A million damaged messages to everything that reads bytes: `python -m tests.fuzz`."""
