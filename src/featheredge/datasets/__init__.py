"""Published data sets on disk: find and pair their files, without PyTorch."""
