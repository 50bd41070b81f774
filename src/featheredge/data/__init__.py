"""Data sets in their published layouts, and augmentation paired on image and label."""
