"""What the rules and scripts of the workflow have in common."""
