"""The scans that peers published, read as they are."""
