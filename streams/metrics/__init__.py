"""What a process counts and times, and how Prometheus reads it: agents observe whole batches, never single events."""
