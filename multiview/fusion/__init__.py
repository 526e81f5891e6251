"""From the views of one tick to identified 3D people."""
