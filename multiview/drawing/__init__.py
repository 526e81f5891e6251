"""Pictures of poses: overlays, plots, top views, meshes."""
