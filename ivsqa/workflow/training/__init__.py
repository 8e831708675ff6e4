"""Training and fine-tuning on what is annotated."""
