"""Qdrant as a video index."""
