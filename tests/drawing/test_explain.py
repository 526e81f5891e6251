from pathlib import Path

import numpy as np

from multiview.drawing.explain import draw, explain, table
from multiview.synthetic import Options, make_studio


def test_every_pair_is_accounted_for_and_the_same_person_is_joined(tmp_path: Path) -> None:
    studio = make_studio(Options(cameras=4, people=2, seconds=0.1, ghosts=0.0, merged=0.0))
    explained = explain(studio.rig, studio.skeleton, studio.views(0))
    actor = np.concatenate([studio.labels(camera, 0).actor for camera in range(4)])
    pairs = [(a, b) for a in range(len(actor)) for b in range(a) if explained.camera[a] != explained.camera[b]]
    assert len(explained.edges) == len(pairs)
    for edge in explained.edges:
        assert (edge.verdict == "joined") == (actor[edge.a] == actor[edge.b])
    assert table(explained).row_count == sum(edge.verdict in ("joined", "kept apart") for edge in explained.edges)
    draw(explained, tmp_path / "graph.png")
    assert (tmp_path / "graph.png").stat().st_size > 10_000
