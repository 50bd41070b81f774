"""Find the channels that must be removed together, and cut them out; knows no pruning criterion."""
