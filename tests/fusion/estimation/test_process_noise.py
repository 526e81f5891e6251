import numpy as np

from multiview.body.skeleton import load_skeleton
from multiview.fusion.estimation import process_noise_kernels as k
from multiview.fusion.estimation.fit_scratch import FitScratch
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import State


def test_process_noise_follows_innovations_pooled_with_the_neighbours_on_the_tree() -> None:
    body = Body.of(load_skeleton("coco17"))
    parent, joints, rng = body.parent, len(body.parent), np.random.default_rng(5)
    people, fit = State.empty(2, joints, len(body.ends)), FitScratch.empty(body.graph, body.limbs)
    for _ in range(4):
        people.log_process_noise_scale[:] = before = rng.normal(0, 2, (2, joints))
        fit.expected_innovation_sq[:] = expected = rng.uniform(0.1, 2, joints) * (rng.random(joints) < 0.6)
        fit.innovation_sq[:] = innovation_sq = expected * rng.exponential(3, joints)
        k.adapt_process_noise(1, parent, people, fit)
        tree = np.eye(joints)
        for j in np.flatnonzero(parent >= 0):
            tree[j, parent[j]] = tree[parent[j], j] = 1.0
        above = np.minimum(innovation_sq, k.MAX_INNOVATION * expected) @ tree
        below = expected @ tree
        change = np.where(below > 0, k.ADAPT_RATE * ((above + 1) / (below + 1) - 1), 0.0)
        scale = ((1 - k.LEAK) * (before[1] + change)).clip(-k.MAX_LOG_SCALE, k.MAX_LOG_SCALE)
        np.testing.assert_allclose(people.log_process_noise_scale, [before[0], scale], rtol=1e-12)
