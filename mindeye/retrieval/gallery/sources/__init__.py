"""What a gallery is built from, and its way into the gallery shard by shard."""
