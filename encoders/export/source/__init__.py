"""The same model files by way of the libraries that the weights are for: torch, transformers, scikit-learn."""
