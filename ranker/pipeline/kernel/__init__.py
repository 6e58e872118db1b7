"""The kernel: loops of ranking that are compiled where a compiler is, with the same bits as their NumPy forms."""
