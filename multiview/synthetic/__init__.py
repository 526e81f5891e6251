"""Synthetic studios with known truth: `make_studio(StudioOptions(cameras=4, people=3))`."""

from multiview.synthetic.options import StudioOptions
from multiview.synthetic.studio import Labels, Studio, make_rig, make_studio

__all__ = ["Labels", "Studio", "StudioOptions", "make_rig", "make_studio"]
