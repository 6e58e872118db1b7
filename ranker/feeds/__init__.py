"""Feeds: which stages make which slate, and how a feed is found by its name."""
