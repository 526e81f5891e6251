"""3D poses from one camera: what its 2D poses, the floor and the sizes of people say, with the doubt that remains."""
