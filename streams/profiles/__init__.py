"""The profiles agent: feedback to one profile a person, and to trends."""
