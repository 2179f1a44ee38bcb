"""mindeye: what a person saw, from their fMRI scan."""

__version__ = "0.1.0"
