"""Learning from recorded logs."""
