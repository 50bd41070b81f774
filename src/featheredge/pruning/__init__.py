"""Channel pruning: choose channels, cut them out, refit what reads them."""
