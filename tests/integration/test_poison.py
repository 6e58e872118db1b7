"""Whatever bytes a broker can hold: each partition moves on, and what cannot be used is one dead letter."""
