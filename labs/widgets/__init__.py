"""Widgets for JupyterLab: live progress with Stop, and the drill-down into traces."""
