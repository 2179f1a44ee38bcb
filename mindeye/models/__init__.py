"""The trainable path from betas to the image side."""
