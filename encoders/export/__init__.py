"""How the model files are made of pretrained weights; `source` needs torch, transformers and scikit-learn for it."""
