"""The rig file: exact round trips, and every mistake named."""

import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiview.cameras.camera import Camera, Rig
from multiview.cameras.rig_file import dumps, load_rig, save_rig
from multiview.common.names import name_fault
from multiview.errors import ConfigError
from multiview.geometry.rigid import rotation_from_vector

names = (
    st.text(min_size=1, max_size=12)
    .map(lambda name: unicodedata.normalize("NFC", name))
    .filter(lambda name: not name_fault(name))
)


LENSES = [("pinhole", 4), ("pinhole", 5), ("pinhole", 8), ("pinhole", 12), ("pinhole", 14), ("fisheye", 4)]
cameras = st.tuples(names, st.sampled_from(LENSES), st.sampled_from([0.0, 0.0123, -1e-5]))


def make_rig(seed, described, world):
    rng = np.random.default_rng(seed)
    made = []
    for name, (model, n), offset in described:
        K = np.array([[rng.uniform(500, 2000), 0, 640], [0, rng.uniform(500, 2000), 360], [0, 0, 1]])
        R = rotation_from_vector(rng.normal(size=3))
        made.append(Camera(name, (1280, 720), K, rng.normal(0, 0.05, n), R, rng.normal(size=3), model, offset))
    return Rig(tuple(made), world)


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.lists(cameras, min_size=1, max_size=4, unique_by=lambda camera: camera[0]),
    st.sampled_from(["", "camera", 'a "quoted" \\ world']),
)
def test_a_saved_rig_loads_to_the_same_bits(tmp_path_factory, seed, described, world):
    rig = make_rig(seed, described, world)
    path = tmp_path_factory.mktemp("rig") / "deep" / "rig.toml"
    save_rig(rig, path)
    back = load_rig(path)
    assert back.names == rig.names
    assert back.world == rig.world
    assert back.calibration_hash == rig.calibration_hash
    assert [p.name for p in path.parent.iterdir()] == ["rig.toml"]
    assert dumps(back) == dumps(rig)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "rig.toml"
    path.write_text("old")
    monkeypatch.setattr(
        "multiview.cameras.rig_file.dumps", lambda rig: (_ for _ in ()).throw(RuntimeError("disk full"))
    )
    with pytest.raises(RuntimeError, match="disk full"):
        save_rig(Rig(()), path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


GOOD = """version = 1
[[cameras]]
name = "left"
size = [1280, 720]
K = [[900.0, 0.0, 640.0], [0.0, 900.0, 360.0], [0, 0, 1]]
dist = [0.0, 0.0, 0.0, 0.0, 0.0]
R = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
t = [0.0, 0.0, 0.0]
[[cameras]]
name = "right"
size = [1280, 720]
model = "pinhole"
K = [[900.0, 0.0, 640.0], [0.0, 900.0, 360.0], [0, 0, 1]]
dist = [0.0, 0.0, 0.0, 0.0, 0.0]
R = [[0.6, 0, 0.8], [0, 1, 0], [-0.8, 0, 0.6]]
t = [0.5, 0.0, 3.0]
"""

MISTAKES = {
    "not a rotation": ("[[0.6, 0, 0.8]", "[[0.6, 0, 0.7]", "cameras['right']: R is not a rotation"),
    "left-handed": ("[-0.8, 0, 0.6]]", "[0.8, 0, -0.6]]", "cameras['right']: R is left-handed"),
    "wrong shape": ("t = [0.5, 0.0, 3.0]", "t = [0.5, 3.0]", "cameras['right'].t: Expected `array` of length 3, got 2"),
    "ragged": ("[0.0, 900.0, 360.0]", "[900.0, 360.0]", "cameras['left'].K[1]: Expected `array` of length 3, got 2"),
    "transposed": ("[[900.0, 0.0, 640.0], [0.0, 900.0, 360.0], [0, 0, 1]]",
                   "[[900.0, 0.0, 0.0], [0.0, 900.0, 0.0], [640, 360, 1]]",
                   "K must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]; is it transposed?"),
    "not finite": ("t = [0.5,", "t = [nan,", "cameras['right'].t[0]: must be finite and at most 1e+12, not nan"),
    "text for number": ("t = [0.5,", 't = ["0.5",', "cameras['right'].t[0]: Expected `float`, got `str`"),
    "duplicate": ('"right"', '"left"', "two cameras are named 'left'"),
    "millimetres": ("[0.5, 0.0, 3.0]", "[500.0, 0.0, 3000.0]",
                    "t puts camera 'right' 3041 m from camera 'left'; t must be in metres"),
    "kilometres": ("[0.5, 0.0, 3.0]", "[0.0005, 0.0, 0.001]", "t must be in metres"),
    "missing key": ("dist = [0.0, 0.0, 0.0, 0.0, 0.0]\n", "", 'the key "dist" is missing'),
    "coefficients": ("dist = [0.0, 0.0, 0.0, 0.0, 0.0]", "dist = [0.0, 0.0]", "takes 4 or 5 or 8 or 12 or 14"),
    "model": ('"pinhole"', '"fish"', "cameras['right'].model: must be fisheye or pinhole, not 'fish'"),
    "size": ("[1280, 720]", "[1280.5, 720]", "cameras['left'].size[0]: Expected `int`, got `float`"),
    "focal length": ("[[900.0,", "[[-900.0,", "focal lengths must be positive"),
    "name": ('"left"', '"../left"', "name: a name is 1 to 64 characters on one line"),
    "no name": ('name = "left"', "", 'cameras[0]: the key "name" is missing'),
    "version": ("version = 1", "version = 2", "version: must be 1, not 2"),
    "syntax": ("[[cameras]]", "[[cameras]", "not TOML: "),
    "empty": (GOOD, "version = 1\ncameras = []", "cameras: Expected `array` of length >= 1"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_named(tmp_path, mistake):
    old, new, message = MISTAKES[mistake]
    assert old in GOOD
    path = tmp_path / "rig.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_rig(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_names_the_nearest(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_text(GOOD.replace("dist =", "distortion =", 1))
    with pytest.raises(ConfigError, match=r'cameras\[.left.\]: unknown key "distortion"; did you mean "dist"'):
        load_rig(path)
    path.write_text("wrold = 'x'\n" + GOOD)
    with pytest.raises(ConfigError, match='unknown key "wrold"; did you mean "world"'):
        load_rig(path)


def test_files_that_are_no_files(tmp_path):
    with pytest.raises(ConfigError, match="no such file; `multiview calibrate solve` writes one"):
        load_rig(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_rig(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00rig")
    with pytest.raises(ConfigError, match="not TOML"):
        load_rig(tmp_path / "binary.toml")


def test_rounded_rotations_are_mended(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_text(GOOD.replace("[[0.6, 0, 0.8]", "[[0.6001, 0, 0.8]"))
    R = load_rig(path).cameras[1].R
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-15)


WRONG = {
    "focal length": lambda a, b: [replace(a, K=np.diag([-1, 1, 1]) @ a.K), b],
    "coinciding": lambda a, b: [a, replace(a, name="right")],
    "no name": lambda a, b: [replace(a, name=""), b],
    "folder": lambda a, b: [replace(a, name="lab/A"), b],
    "one name": lambda a, b: [a, replace(b, name="left")],
    "mirrored": lambda a, b: [replace(a, R=np.diag([1.0, 1.0, -1.0])), b],
    "not finite": lambda a, b: [a, replace(b, t=np.array([0.0, np.nan, 3.0]))],
    "millimetres": lambda a, b: [a, replace(b, t=1000 * b.t)],
    "size": lambda a, b: [replace(a, size=(0, 720)), b],
    "transposed": lambda a, b: [replace(a, K=a.K.T), b],
    "offset": lambda a, b: [replace(a, time_offset_s=1e300), b],
    "empty": lambda a, b: [],
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_would_not_be_read_is_not_written(tmp_path, wrong):
    (tmp_path / "good.toml").write_text(GOOD)
    rig = load_rig(tmp_path / "good.toml")
    with pytest.raises(ConfigError, match="the rig cannot be written: "):
        save_rig(Rig(tuple(wrong(*rig.cameras))), tmp_path / "rig.toml")
    assert not (tmp_path / "rig.toml").exists()


def test_rig_has_sixteen_cameras_at_most(tmp_path):
    described = [(f"cam{n:02}", ("pinhole", 5), 0.0) for n in range(17)]
    save_rig(make_rig(1, described[:16], ""), tmp_path / "rig.toml")
    assert len(load_rig(tmp_path / "rig.toml")) == 16
    more = tmp_path / "more.toml"
    with pytest.raises(ConfigError, match="17 cameras: there may be 16 at most, so leave some out"):
        save_rig(make_rig(1, described, ""), more)
    one = (tmp_path / "rig.toml").read_text().split("[[cameras]]")[-1]
    more.write_text((tmp_path / "rig.toml").read_text() + "[[cameras]]" + one.replace("cam15", "cam16"))
    with pytest.raises(ConfigError, match=r"more\.toml: .*17 cameras"):
        load_rig(more)
