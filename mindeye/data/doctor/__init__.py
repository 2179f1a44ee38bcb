"""Looks through an NSD tree: what is there, what is missing, what is wrong."""
