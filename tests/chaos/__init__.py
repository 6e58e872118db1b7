"""Faults on purpose: what is promised in docs/reliability.md, tried on a real Kafka (`python -m tests.chaos`)."""
