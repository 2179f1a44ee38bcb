"""Experiments that only test what the main one trained: nsdsynthetic and nsdimagery."""
