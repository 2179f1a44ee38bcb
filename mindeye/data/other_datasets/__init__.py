"""Image-viewing data sets besides NSD: one reader each, all to the same record."""
