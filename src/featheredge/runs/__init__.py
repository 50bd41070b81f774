"""Run recipes: prune a network from plan to fine-tuning, and reproduce published tables."""
