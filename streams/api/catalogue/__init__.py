"""What the API knows of videos, and what it answers by that."""
