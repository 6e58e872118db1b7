"""Moderation: classifiers of pictures and words, and the policy that limits or drops videos by their scores."""
