"""Live multi-person 3D skeletons from calibrated cameras."""

__version__ = "0.1.0"
