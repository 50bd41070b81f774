"""Define networks: PyTorch modules that are built from a configuration of widths."""
