"""Captions of what was seen, and the converter that they need."""
