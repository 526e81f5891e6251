import numpy as np

from multiview.body.skeleton import load_skeleton
from multiview.fusion.estimation import process_noise_kernels as k
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import State
from tests.fusion.estimation.lanes import put, side_by_side


def test_surprises_are_pooled_with_the_neighbours_on_the_tree() -> None:
    body = Body.of(load_skeleton("coco17"))
    parent, joints, rng = body.parent, len(body.parent), np.random.default_rng(5)
    people = State.empty(4, joints, len(body.ends))
    people.log_process_noise_scale[:] = rng.normal(0, 2, (4, joints))
    expected = rng.uniform(0.1, 2, (4, joints)) * (rng.random((4, joints)) < 0.6)
    found = expected * rng.exponential(3, (4, joints))
    group = side_by_side(people, body.graph)
    put(found, group.innovation_sq)
    put(expected, group.expected_innovation_sq)
    k.adapt(group, parent)
    tree = np.eye(joints)
    for j in np.flatnonzero(parent >= 0):
        tree[j, parent[j]] = tree[parent[j], j] = 1.0
    above = np.minimum(found, k.MOST_SURPRISE * expected) @ tree
    below = expected @ tree
    more = k.GAIN * ((above + 1) / (below + 1) - 1)
    surprise = (1 - k.LEAK) * (people.log_process_noise_scale + np.where(below > 0, more, 0.0))
    np.testing.assert_allclose(
        group.log_process_noise_scale, surprise.clip(-k.MOST_LIVELY, k.MOST_LIVELY).T, rtol=1e-12
    )
