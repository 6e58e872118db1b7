"""multilingual-e5-small and the Universal Sentence Encoder in one graph, without torch."""
