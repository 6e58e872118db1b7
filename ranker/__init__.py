"""What to show: profiles, sources, filters, scorers, selectors. Values in, values out."""
