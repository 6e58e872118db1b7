"""`freshet demo`: a world, its agents, and what they make of it."""
