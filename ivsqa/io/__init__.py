"""Everything that touches a disk: the project folder, its manifests, frames, annotations, scores, and foreign formats."""
