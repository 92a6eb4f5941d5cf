"""Figures: what each shows as a table, ``x_data``, and drawn, ``plot_x``. They need matplotlib: ``raytabdl[plots]``."""
