"""How good slates are, in figures."""
