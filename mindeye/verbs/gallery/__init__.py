"""`mindeye gallery`: galleries are built, indexed, searched and served."""
