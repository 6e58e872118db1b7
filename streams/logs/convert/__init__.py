"""Public data sets as recorded logs: one JSON object a line, uploads first, then events in order of time."""
