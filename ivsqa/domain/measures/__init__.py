"""Clinical measures of frames and of pullbacks, and how sure each is."""
