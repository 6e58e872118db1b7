"""Whether the messages on the topics keep the contract."""
