"""Accepting what a model drew with a certificate: the audit, and what it lets be accepted."""
