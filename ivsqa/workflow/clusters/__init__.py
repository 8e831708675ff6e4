"""Scripts for the queue of a cluster."""
