"""What may not be shown, or not to everybody: classifiers and the policy over what they say."""
