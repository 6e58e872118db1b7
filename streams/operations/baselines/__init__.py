"""Baselines by libraries that have an environment of their own: what they are asked, how they run, what they say."""
