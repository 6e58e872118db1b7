"""The HTTP API: slates, feedback, uploads and what the catalogue answers, one process beside the agents."""
