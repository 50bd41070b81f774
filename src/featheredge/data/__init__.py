"""Training data: pairs of picture and label, augmentation and crops."""
