"""Evolutionary code search: programs are proposed, scored in a sandbox, and the best return."""
