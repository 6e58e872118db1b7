"""The Kafka protocol: clients, polls, confirmed sends, owned state, topics; knows nothing of videos."""
