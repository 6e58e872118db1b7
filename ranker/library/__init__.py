"""All videos with all their vectors, for what people ask: search, similar, playlists, re-uploads."""
