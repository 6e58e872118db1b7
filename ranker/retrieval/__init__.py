"""Retrieval: the videos whose vectors are nearest to a vector, or to that of a video."""
