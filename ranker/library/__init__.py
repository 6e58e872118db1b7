"""The library: all videos with all their vectors, for search, similar videos, playlists and re-uploads."""
