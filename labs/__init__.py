"""The face: command line, widgets, figures, recipes, exercises and the lab notebooks."""
