"""Evaluation: how good predictions and slates are, in figures, in sentences and on a page."""
