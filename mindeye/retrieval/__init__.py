"""Finding the image that was seen."""
