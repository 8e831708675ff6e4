"""From files to pullbacks."""
