"""The indexer agent: what the catalogue holds of the videos to a Qdrant server."""
