"""How far contours and readers agree, and what is done where they do not."""
