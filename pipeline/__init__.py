"""The warehouse of AWS AppStream 2.0 image builders. See README.md for the way of the data."""

__version__ = "0.1.0"
