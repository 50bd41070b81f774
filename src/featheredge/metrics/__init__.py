"""Scores: the BSDS500 edge benchmark."""
