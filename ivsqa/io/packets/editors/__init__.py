"""One file an editor: how its files are written and read."""
