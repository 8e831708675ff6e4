"""The accuracy of a model and of its predicted quality, on frames it never saw."""
