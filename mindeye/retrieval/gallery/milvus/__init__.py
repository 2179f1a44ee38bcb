"""The same galleries in a Milvus."""
