"""How the model files are made from pretrained weights; torch, transformers and scikit-learn stay in here."""
