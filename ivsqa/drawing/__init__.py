"""Pictures and charts: arrays and numbers in, PNG or SVG out."""
