"""Measures what this machine makes of Letter: `python -m bench`."""
