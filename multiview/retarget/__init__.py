"""A person's movement on somebody else's skeleton: a named one, or that of a BVH, glTF or VRM file."""
