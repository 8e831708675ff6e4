"""What a network says of frames, as contours, error maps and predicted quality."""
