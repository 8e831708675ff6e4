"""Rounds: select, send, take back."""
