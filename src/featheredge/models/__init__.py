"""Networks: PyTorch modules that are built from a small, explicit configuration of widths."""
