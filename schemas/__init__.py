"""The contracts: the messages on Freshet's topics, the topics themselves, and the settings."""
