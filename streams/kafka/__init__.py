"""The Kafka protocol: clients, polls, confirmed sends, owned state, topics; it knows nothing of what records mean."""
