"""A made-up world: videos with titles, people with tastes."""
