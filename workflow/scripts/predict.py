"""Predictions of a trained fold on all cells."""
