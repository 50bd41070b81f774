"""Published data sets as they lie on disk: which files belong together, read without PyTorch."""
