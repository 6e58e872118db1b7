"""Model files: their manifest, how they are made, and how they are opened."""
