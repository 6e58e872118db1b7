"""The catalogue: every video that may be shown, and how popular it is."""
