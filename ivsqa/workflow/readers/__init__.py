"""Several readers: agreement, adjudication, undo."""
