"""The baselines themselves; runs in their environment, and imports nothing of ours but what is handed over."""
