"""One pass of a model over every frame."""
