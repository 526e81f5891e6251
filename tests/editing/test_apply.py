"""What each edit makes of poses, against what it must by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from multiview.data import NS_PER_S
from multiview.editing.apply import apply_edits
from multiview.editing.edits import Edit, edit_words, make_edit
from multiview.errors import ConfigError
from multiview.recordings.pose_table import Poses

RATE, START_NS, JOINTS = 10.0, 5 * NS_PER_S, ("head", "left_hand", "right_hand")


def walk(people: dict[int, Sequence[int]]) -> Poses:
    """People who go in straight lines, a metre a second, at ten frames a second; person p is at y = p."""
    rows = sorted((frame, person) for person, frames in people.items() for frame in frames)
    frame, person = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    shape = (len(rows), len(JOINTS))
    x = np.broadcast_to(frame[:, None] / RATE, shape)
    y = np.broadcast_to(person[:, None].astype(float), shape)
    z = np.broadcast_to(np.arange(len(JOINTS)) * 0.5, shape)
    return Poses(
        frame=frame,
        time_ns=START_NS + np.round(frame / RATE * NS_PER_S).astype(np.int64),
        utc_ns=1000 * NS_PER_S + np.round(frame / RATE * NS_PER_S).astype(np.int64),
        person=person,
        xyz=np.stack([x, y, z], axis=-1),
        cov=np.broadcast_to(np.eye(3) * 1e-4, (*shape, 3, 3)).copy(),
        score=np.full(shape, 0.9),
        views=np.full(shape, 3, dtype=np.int64),
        filled=np.zeros(shape, dtype=bool),
        joints=JOINTS,
        skeleton="coco17",
        names={1: "amy"},
    )


def edited(poses: Poses, *edits: Edit) -> Poses:
    def anew(edit: Edit) -> Poses:
        raise AssertionError(edit)

    found = apply_edits(poses, edits, START_NS, anew)
    order = np.lexsort((found.person, found.frame))
    assert order.tolist() == list(range(len(found)))
    return found


def who(poses: Poses, frame: int) -> dict[int, float]:
    """Person and their y, which says who they were, of everyone in a frame."""
    rows = np.flatnonzero(poses.frame == frame)
    return {int(poses.person[row]): float(np.nanmean(poses.xyz[row, :, 1])) for row in rows}


TWO = walk({1: range(30), 2: range(30)})


def test_trim_and_cut_keep_times_and_numbers() -> None:
    assert np.unique(edited(TWO, make_edit("trim", {"from_s": 1.0, "to_s": 2.0})).frame).tolist() == list(range(10, 20))
    poses = edited(TWO, make_edit("cut", {"from_s": 1.0, "to_s": 2.0}))
    assert np.unique(poses.frame).tolist() == [*range(10), *range(20, 30)]
    assert poses.time_ns.tolist() == [t for t, f in zip(TWO.time_ns, TWO.frame, strict=True) if not 10 <= f < 20]
    with pytest.raises(ConfigError, match="nobody would be left"):
        edited(TWO, make_edit("cut", {"to_s": 3.0}))


def test_swap_exchanges_in_the_span_only_and_twice_is_nothing() -> None:
    swap = make_edit("swap", {"people": [1, 2], "from_s": 1.0, "to_s": 2.0})
    poses = edited(TWO, swap)
    assert who(poses, 9) == who(poses, 20) == {1: 1.0, 2: 2.0}
    assert who(poses, 10) == who(poses, 19) == {1: 2.0, 2: 1.0}
    twice = edited(TWO, swap, swap)
    assert twice.xyz.tobytes() == TWO.xyz.tobytes()
    one_away = edited(walk({1: range(30), 2: range(10)}), make_edit("swap", {"people": [1, 2], "from_s": 1.5}))
    assert who(one_away, 20) == {2: 1.0}


def test_split_and_merge_are_inverse() -> None:
    poses = edited(TWO, make_edit("split", {"person": 2, "into": 7, "from_s": 1.5}))
    assert (who(poses, 14), who(poses, 15)) == ({1: 1.0, 2: 2.0}, {1: 1.0, 7: 2.0})
    merged = edited(poses, make_edit("merge", {"people": [2, 7]}))
    assert merged.person.tobytes() == TWO.person.tobytes()
    with pytest.raises(ConfigError, match="edit 1: there is a person 1 already"):
        edited(TWO, make_edit("split", {"person": 2, "into": 1}))


def test_merge_takes_the_first_where_several_are_there_and_keeps_a_name() -> None:
    poses = edited(walk({1: range(10, 20), 2: range(15), 3: range(5)}), make_edit("merge", {"people": [2, 1]}))
    assert [who(poses, frame) for frame in (2, 12, 17)] == [{2: 2.0, 3: 3.0}, {2: 2.0}, {2: 1.0}]
    assert poses.names == {2: "amy"}


def test_delete_and_name_are_of_one_person() -> None:
    poses = edited(TWO, make_edit("delete", {"person": 1, "from_s": 2.0}))
    assert (who(poses, 19), who(poses, 20)) == ({1: 1.0, 2: 2.0}, {2: 2.0})
    assert edited(TWO, make_edit("delete", {"person": 2})).people.tolist() == [1]
    assert edited(TWO, make_edit("name", {"person": 2, "name": "amy"})).names == {2: "amy"}
    assert edited(TWO, make_edit("name", {"person": 1, "name": ""})).names == {}


def test_bad_joints_are_unknown_and_filled_on_the_straight_line() -> None:
    bad = make_edit("mark_bad", {"person": 2, "joints": ["left_hand"], "from_s": 1.0, "to_s": 1.5})
    poses = edited(TWO, bad)
    gone = (poses.person == 2) & (poses.frame >= 10) & (poses.frame < 15)
    assert np.array_equal(np.isnan(poses.xyz[:, 1, 0]), gone)
    assert not poses.score[gone, 1].any()
    assert not np.isnan(poses.xyz[:, [0, 2]]).any()
    filled = edited(TWO, bad, make_edit("fill_gaps", {"max_s": 0.5}))
    np.testing.assert_allclose(filled.xyz, TWO.xyz, atol=1e-12)
    assert np.array_equal(filled.filled[:, 1], gone)
    assert np.array_equal(filled.filled.any(axis=1), gone)
    assert np.isnan(edited(TWO, bad, make_edit("fill_gaps", {"max_s": 0.4})).xyz).any()
    assert np.isnan(edited(TWO, bad, make_edit("fill_gaps", {"max_s": 0.5, "people": [1]})).xyz).any()


def test_filled_frames_have_the_time_that_the_frame_has_for_others() -> None:
    late = walk({1: range(30), 2: [*range(10), *range(14, 30)]})
    late.time_ns[:] += np.where(late.frame == 12, 3_000_000, 0)
    late.utc_ns[:] = late.time_ns + 995 * NS_PER_S
    poses = edited(late, make_edit("fill_gaps", {"max_s": 1.0}))
    assert len(poses) == 60
    for frame in range(30):
        assert len(np.unique(poses.time_ns[poses.frame == frame])) == 1
    assert set((poses.utc_ns - poses.time_ns).tolist()) == {995 * NS_PER_S}


def test_what_was_cut_is_not_filled() -> None:
    poses = edited(TWO, make_edit("cut", {"from_s": 1.0, "to_s": 1.3}), make_edit("fill_gaps", {"max_s": 1.0}))
    assert not np.isin([10, 11, 12], poses.frame).any()


def test_smoothing_keeps_a_straight_line_and_takes_noise_away_in_the_span() -> None:
    rng = np.random.default_rng(0)
    still = walk({1: range(200)})
    still.xyz[..., 0] = 0.0
    noisy = still.xyz.copy()
    noisy[..., 2] += rng.normal(0, 0.01, noisy.shape[:2])
    still.xyz[:] = noisy
    poses = edited(still, make_edit("smooth", {"hz": 1.0, "from_s": 5.0, "to_s": 15.0}))
    inside = (poses.frame >= 50) & (poses.frame < 150)
    assert np.array_equal(poses.xyz[~inside], noisy[~inside])
    # White noise through an ideal low pass of 1 of 5 Hz keeps a fifth of its variance; Butterworth's twice over, less.
    assert poses.xyz[inside, :, 2].std(axis=0).max() < np.sqrt(1 / 5) * 0.01
    np.testing.assert_allclose(poses.xyz[inside, :, :2], noisy[inside, :, :2], atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("trim", {"from_s": 1.0}, "keep only from 1 s on"),
        ("cut", {"to_s": 1.5}, "cut up to 1.5 s"),
        ("merge", {"people": [2, 1]}, "merge person2 and amy"),
        ("split", {"person": 2, "into": 7, "from_s": 1.0}, "split person2 from 1 s on, who becomes person7"),
        ("swap", {"people": [1, 2], "from_s": 1.0, "to_s": 2.0}, "swap amy and person2 from 1 to 2 s"),
        ("delete", {"person": 1}, "delete amy"),
        ("name", {"person": 2, "name": "bo"}, "name person 2 bo"),
        ("mark_bad", {"person": 1, "joints": ["head"], "from_s": 1.0}, "mark bad head of amy from 1 s on"),
        ("fill_gaps", {"max_s": 0.5}, "fill gaps of up to 0.5 s"),
        ("smooth", {"hz": 6.0, "people": [1]}, "smooth, 6 Hz of amy"),
        ("fuse", {"poses": "0", "smooth": True}, "fuse anew, smoothed"),
        ("refine_cameras", {"poses": "0"}, "refine the cameras, and fuse anew"),
    ],
)
def test_every_edit_has_words(kind: str, values: dict[str, object], said: str) -> None:
    assert edit_words(make_edit(kind, values), TWO.label) == said
