"""Simulation: invented uploads with titles, and invented people whose reactions follow their tastes."""
