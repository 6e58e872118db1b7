"""Recorded logs: reading, converting, sending, replaying."""
