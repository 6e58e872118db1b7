"""Encoders, a file a modality: what is in a video to unit vectors."""
