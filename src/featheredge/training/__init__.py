"""Training: recipes, losses, teachers and the loop."""
