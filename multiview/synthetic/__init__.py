"""Synthetic studios with known truth: `make_studio(Options(cameras=4, people=3))`."""

from multiview.synthetic.options import Options
from multiview.synthetic.studio import Labels, Studio, make_rig, make_studio

__all__ = ["Labels", "Options", "Studio", "make_rig", "make_studio"]
