"""The pictures of what was found: where they are, fetched, decoded."""
