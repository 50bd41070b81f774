"""Recipes carried out: a pruning run from plan to fine-tuning, and whole published tables."""
