"""The funnel, a file a stage: sources, merge, filters, features, scorer, re-ranking, reasons."""
