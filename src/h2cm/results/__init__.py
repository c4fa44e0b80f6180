"""What a run's folder holds, and what is made of it: evaluation, figures, tables."""
