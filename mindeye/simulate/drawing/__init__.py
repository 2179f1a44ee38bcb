"""Flat vector drawing for the made-up scenes: a pen, colours, backgrounds, weather and things."""
