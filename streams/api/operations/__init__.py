"""What the API tells operators: dead letters, rates, latency."""
