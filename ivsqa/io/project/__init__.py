"""The project folder: its facts, its manifests and its tables."""
