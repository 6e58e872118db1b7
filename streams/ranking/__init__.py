"""The ranking agent: a changed profile to a slate."""
