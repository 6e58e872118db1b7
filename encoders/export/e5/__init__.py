"""multilingual-e5-small from 4-bit weights to ONNX, without torch."""
