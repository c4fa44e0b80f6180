"""Evaluation: predictions against constraints and, for the synthetic Earth, against the truth."""
