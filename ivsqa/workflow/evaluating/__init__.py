"""How good a model and its predicted quality are, on frames it never saw."""
