"""How like the seen image a reconstruction is, and how sure we are."""
