"""Training and fine-tuning on annotated frames."""
