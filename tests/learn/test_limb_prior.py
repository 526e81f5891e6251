"""The learned body learns: after a little training it tells unseen limbs better than their average does."""

import numpy as np

from multiview.body.skeleton import load_skeleton
from multiview.learn.limb_prior import JOINTS, limb_offsets, train
from multiview.synthetic.postures import sample_postures


def test_training_tells_legs_from_each_other_and_its_deviation_is_its_error() -> None:
    weights = train(steps=300)
    xyz, stature = sample_postures(np.random.default_rng(9), 3000)
    true = limb_offsets(xyz, load_skeleton("halpe26").joints, stature / 1.73)
    hidden = [JOINTS.index("left_knee"), JOINTS.index("left_ankle")]
    inputs = np.concatenate([np.ones((*true.shape[:2], 1)), true], axis=-1)
    inputs[:, hidden] = 0.0
    x = inputs.reshape(len(true), -1)
    for n in (1, 2):
        x = np.maximum(x @ weights[f"w{n}"] + weights[f"b{n}"], 0.0)
    mean, log_sd = np.split((x @ weights["w3"] + weights["b3"]).reshape(len(true), len(JOINTS), 6), 2, axis=-1)
    for joint in hidden:
        error_sq = ((mean - true)[:, joint] ** 2).sum(axis=-1)
        assert error_sq.mean() < 0.8 * true[:, joint].var(axis=0).sum()
        assert 0.5 < (error_sq / (np.exp(2 * log_sd[:, joint])).sum(axis=-1)).mean() < 2.0
