"""The learning agent: what people made of videos becomes the parameters by which slates are ranked."""
