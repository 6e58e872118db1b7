"""What needs a real Kafka; one broker serves nearly all of it."""
