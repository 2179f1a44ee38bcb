"""Galleries: embeddings on disk -> index -> search; one engine a file."""
