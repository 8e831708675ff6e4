"""From a network's output to contours, error maps and predicted quality."""
