"""What needs more than this process; one broker serves nearly all that need a Kafka."""
