"""Predicted quality: from error maps to predicted Dice, calibrated and judged."""
