"""Letter: open letters, confirmed signatures, lists that can be trusted."""

__version__ = "0.1.0"
