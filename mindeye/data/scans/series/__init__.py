"""Preprocessed time series -> one beta a trial."""
