"""One process: start, watch, stop; and several side by side."""
