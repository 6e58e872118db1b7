"""The report of an evaluation: one HTML file with pictures, which asks for nothing from outside."""
