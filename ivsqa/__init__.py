"""ivsqa: annotate intravascular ultrasound with far less work.

A project folder goes in, packets for annotators come out, better models come back. Layers, outermost last:
errors → domain → io → model → workflow → cli; each may import only those before it.
"""

__version__ = "0.1.0"
