"""Clinical measures of a study, as tables."""
