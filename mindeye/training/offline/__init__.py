"""How the small offline image side in `mindeye/assets/` was trained, from drawn scenes alone."""
