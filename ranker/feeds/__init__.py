"""Feeds: which stages make which slate."""
