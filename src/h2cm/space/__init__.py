"""Grids and the way between them."""
