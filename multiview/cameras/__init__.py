"""Camera models, rigs, and what cameras observe: rays, reprojections, regions."""
