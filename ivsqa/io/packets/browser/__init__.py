"""The page for annotators without an editor."""
