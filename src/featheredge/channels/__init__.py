"""Which channels of a network hang together, and how to cut them out; it knows no criterion."""
