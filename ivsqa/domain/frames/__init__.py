"""What the grey of frames says without a network: heartbeats and burned-in text."""
