"""Landlock by raw system calls."""
