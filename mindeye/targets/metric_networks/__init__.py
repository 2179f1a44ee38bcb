"""Frozen networks that judge pictures: the field's metrics compare what they see."""
