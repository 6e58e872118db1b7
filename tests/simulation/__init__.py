"""The pure core of the agents over a Kafka small enough to simulate: every fault from a seed, no clock, no thread."""
