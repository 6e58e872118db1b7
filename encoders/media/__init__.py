"""Media files to frames and sound, decoded in a sandbox."""
