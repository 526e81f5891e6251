import math

import msgspec
import numpy as np
import pytest

from multiview.cameras.capture_volume import Volume
from multiview.errors import ConfigError
from multiview.fusion.pipeline import Pipeline, PipelineOptions
from multiview.studio.derived import pipeline_options
from multiview.studio.studio_file import load_studio, write_studio
from multiview.synthetic import Studio


def torsos_at_birth(studio: Studio, volume: Volume) -> tuple[dict[int, np.ndarray], int]:
    """Where the middle of each person was when they were first published, and the most people at a time."""
    pipeline = Pipeline(studio.rig, studio.skeleton, PipelineOptions(volume=volume))
    first: dict[int, np.ndarray] = {}
    most = 0
    for frame in range(studio.frames):
        tracks = pipeline.step(studio.views(frame)).tracks
        most = max(most, len(tracks))
        for track in tracks:
            first.setdefault(track.person, np.nanmean(track.pose.xyz, axis=0))
    return first, most


def test_people_are_born_inside_only_and_followed_outside(fair_studio: Studio) -> None:
    everyone, _ = torsos_at_birth(fair_studio, Volume())
    middle = float(np.median([place[0] for place in everyone.values()]))
    inside, _ = torsos_at_birth(fair_studio, Volume(min=(middle, -math.inf, -math.inf)))
    assert inside
    assert all(place[0] > middle - 0.3 for place in inside.values())  # the torso is in, the mean of all joints nearly
    nobody, _ = torsos_at_birth(fair_studio, Volume(min=(50, 50, 50), max=(51, 51, 51)))
    assert not nobody


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_people_than_may_be(fair_studio: Studio, most: int) -> None:
    assert torsos_at_birth(fair_studio, Volume(max_people=most))[1] == most


def test_what_is_no_volume_is_refused_in_one_line(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "studio.toml"
    text = '[source]\ntype = "synthetic"\n[volume]\nmin = [0, 0, 0]\nmax = [4.0, -1.0, 3]\n'
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"volume: min .* must be below max"):
        load_studio(path)
    path.write_text(text.replace("-1.0", "5.0"))
    options = pipeline_options(load_studio(path))
    assert options.volume == Volume((0, 0, 0), (4, 5, 3))
    write_studio(msgspec.structs.replace(load_studio(path), volume=Volume(max_people=3)), path)
    assert pipeline_options(load_studio(path)).volume == Volume(max_people=3)
