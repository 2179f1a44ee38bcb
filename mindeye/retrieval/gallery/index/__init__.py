"""The index of a gallery: chosen, trained, built, tuned, made current, searched."""
