"""The floor is below the ankles of those who stand on it by what anatomy says of their size."""

import numpy as np
import pytest

from calib.people.bodies import Body
from calib.people.ground import ground_of

JOINTS = ("left_knee", "right_knee", "left_ankle", "right_ankle")
# Winter 2009, figure 4.1: heights over the ground as shares of the stature.
ANKLE, KNEE = 0.039, 0.285


def standing(stature, rng, frames=80):
    """Somebody who stands here and there in a room, flat on their feet."""
    place = np.repeat(rng.uniform(-1.5, 1.5, (frames // 4, 2)), 4, axis=0)
    xyz = np.zeros((frames, 4, 3))
    xyz[:, :, :2] = place[:, None] + [[0, 0.1], [0, -0.1], [0, 0.1], [0, -0.1]]
    xyz[:, :2, 2], xyz[:, 2:, 2] = KNEE * stature, ANKLE * stature
    return Body(0.1 * np.arange(frames), xyz + rng.normal(0, 0.002, xyz.shape), np.zeros_like(xyz))


@pytest.mark.parametrize("statures", [(1.85,), (1.2,), (1.9, 1.1)])
def test_ground_lies_where_people_of_any_size_stand(statures):
    rng = np.random.default_rng(1)
    ground = ground_of([standing(stature, rng) for stature in statures], JOINTS, np.array([0.0, 0.1, 1.0]))
    assert ground is not None
    # Two millimetres of noise, of 80 ankles or more; the 30th percentile of it is half a deviation down.
    assert ground.floor @ ground.up == pytest.approx(0.0, abs=0.003)
