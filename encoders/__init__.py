"""What a video is: text, image and audio to vectors, their fusion, and how the models are made."""
