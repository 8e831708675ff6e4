"""Statistics that know missing values: correlation, ranking, bootstrap."""
