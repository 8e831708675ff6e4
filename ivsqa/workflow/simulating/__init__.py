"""Rounds replayed on labelled data, strategy by strategy."""
