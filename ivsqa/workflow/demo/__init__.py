"""The whole loop on phantoms, with a simulated annotator."""
