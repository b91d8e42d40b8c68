"""Recipes: how the embedded models are made."""
