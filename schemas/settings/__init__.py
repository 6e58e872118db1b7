"""The settings: their fields, and where their values come from."""
