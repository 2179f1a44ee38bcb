"""Where trials come from: NSD trees, shards, batches."""
