"""Deployment: export of trained networks to ONNX files."""
