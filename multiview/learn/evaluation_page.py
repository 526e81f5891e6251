"""A page to look at: the figures of an evaluation, and the people that a model gets most wrong."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float64

from multiview.body.skeleton import Skeleton
from multiview.common.atomic_file import replacing
from multiview.learn.pictures import draw_person
from multiview.learn.sample import Sample

__all__ = ["write_page"]

STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left}
td+td{text-align:right;font-variant-numeric:tabular-nums}.cases{display:flex;flex-wrap:wrap;gap:.6rem}
figure{margin:0}figcaption{font-size:12px;color:#555}img{display:block;height:240px}"""


def write_page(
    path: Path,
    title: str,
    figures: dict[str, Any],
    samples: list[Sample],
    names: list[str],
    xy: Float64[np.ndarray, "N J 2"],
    oks: Float64[np.ndarray, " N"],
    skeleton: Skeleton,
    worst: int = 32,
) -> None:
    """Write one self-contained HTML file; `names` say which picture each sample is of."""
    order = np.argsort(np.where(np.isnan(oks), np.inf, oks))[:worst]
    cases = "".join(
        f'<figure><img src="data:image/jpeg;base64,{_picture(samples[i], xy[i], skeleton)}" alt="">'
        f"<figcaption>{html.escape(names[i])}<br>OKS {oks[i]:.2f}</figcaption></figure>"
        for i in order
    )
    joints = figures["pck_per_joint"]
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style>"
        f"<h1>{html.escape(title)}</h1>{_table({k: v for k, v in figures.items() if not isinstance(v, dict)})}"
        f"<h2>PCK@0.1 of each joint</h2>{_table(joints)}"
        "<h2>The worst</h2><p>Green is the person's left, red their right, as found; white is the truth.</p>"
        f'<div class="cases">{cases}</div></html>'
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _table(rows: dict[str, float]) -> str:
    cells = [(html.escape(k), f"{v:,}" if isinstance(v, int) else f"{v:.4f}") for k, v in rows.items()]
    return "<table>" + "".join(f"<tr><td>{name}<td>{value}" for name, value in cells) + "</table>"


def _picture(sample: Sample, found: Float64[np.ndarray, "J 2"], skeleton: Skeleton) -> str:
    """The person cut out of the picture, with what was found, as base64."""
    size = sample.box[2:] - sample.box[:2]
    height, width = sample.image.shape[:2]
    x1, y1 = np.clip(sample.box[:2] - 0.15 * size, 0, [width - 2, height - 2]).astype(int)
    x2, y2 = np.clip(sample.box[2:] + 0.15 * size, [x1 + 2, y1 + 2], [width, height]).astype(int)
    offset = np.array([x1, y1], float)
    cut = Sample(np.ascontiguousarray(sample.image[y1:y2, x1:x2]), sample.xy - offset, sample.visibility, sample.box)
    drawn = draw_person(cut, found - offset, skeleton, height=240)
    _, data = cv2.imencode(".jpg", drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return base64.b64encode(data.tobytes()).decode()
