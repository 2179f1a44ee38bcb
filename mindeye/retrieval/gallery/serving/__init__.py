"""A gallery over HTTP: clip-retrieval's queries, a page to look at, limits; no path leaves it."""
