"""Checkpoints that others saved, read without running any code that they may hold."""
