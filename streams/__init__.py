"""How it moves: Faust agents, Kafka, Qdrant, replay and the command line."""
