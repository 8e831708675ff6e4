"""HTML pages for people, made from templates."""
