"""Model files: the manifest that vouches for them, how they are made, and how they are opened."""
