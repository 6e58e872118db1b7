"""Evaluation: how good slates are, in figures."""
