"""Training: learning weights from recorded logs."""
