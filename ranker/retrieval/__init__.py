"""Retrieval: the videos nearest to a vector, and to a video."""
