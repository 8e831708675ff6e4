"""Curves and areas: polar borders, arcs, splines, nesting, optimal surfaces."""
