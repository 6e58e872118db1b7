"""What a video is about: topics, tags, labels and its language."""
