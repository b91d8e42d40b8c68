"""Reasoning traces as data: collected, verified, selected, and seen as what a training reads."""
