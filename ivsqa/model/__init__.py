"""The network, its losses, data, training and inference: arrays in, arrays out; no project, no file names."""
