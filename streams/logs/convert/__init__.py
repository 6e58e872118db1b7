"""Recorded logs of others as Freshet's: one JSON object a line, uploads first, then events in order of time."""
