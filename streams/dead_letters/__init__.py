"""What could not be used: finding it, sending it to its topic, and reading it there."""
