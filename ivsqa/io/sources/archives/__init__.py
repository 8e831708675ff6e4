"""Contours that other tools and public data sets left beside a pullback: one small module a format, behind one interface."""
