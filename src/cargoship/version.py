"""The one place that names this version, and where its pages are."""

__version__ = "0.1.0"
PAGES = "https://cargoship-project.github.io/cargoship"
"""The address of the documentation, without a slash at its end."""
