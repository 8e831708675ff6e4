"""Accepting what a model drew with a certificate: losses, bounds that are exact for small audits, bars, and minutes."""
