"""What every detector keeps to, whatever is behind it."""

import inspect
from pathlib import Path

import msgspec
import numpy as np
import pytest

from multiview.common.plugins import load_plugin, plugin_names
from multiview.data import VideoFrame
from multiview.detect import PoseDetector, make_detector
from multiview.errors import ConfigError, MultiviewError
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.synthetic import StudioOptions, make_studio
from tests.detect import tiny

NAMES = plugin_names("multiview.detect")


def options_for(name, folder):
    """Options with which the plugin runs here, or why it cannot."""
    if name == "blazepose":
        return {"tiles": 1}
    if name == "synthetic":
        return {"studio": {"cameras": 2, "people": 2, "seconds": 0.2}}
    if name == "keypoints":
        studio = make_studio(StudioOptions(cameras=2, people=2, seconds=0.2))
        for camera in (0, 1):
            (folder / "2d" / studio.rig.names[camera]).mkdir(parents=True)
            write_keypoints(
                studio.keypoints(camera, 0), folder / "2d" / studio.rig.names[camera] / "a_0_keypoints.json"
            )
        return {"directory": str(folder / "2d"), "skeleton": studio.skeleton.name}
    maps = np.zeros((3, 8, 8))
    maps[:, 3, 4] = 1.0
    networks = {
        "rtmpose": (tiny.simcc((32, 32)), "simcc", 'person_detector = "none"'),
        "vitpose": (tiny.constant({"out": maps}), "argmax", 'person_detector = "none"'),
        "rtmo": (tiny.brightest((32, 32), "rtmo"), "rtmo", ""),
        "yolo_pose": (tiny.brightest((32, 32), "yolo8"), "yolo_pose", ""),
        "higher_hrnet": (tiny.constant({"out": np.concatenate([maps, np.zeros((3, 8, 8))])}), "tags", ""),
        "regression": (tiny.constant({"out": np.full((3, 4), 0.4)}), "numbers", 'person_detector = "none"'),
        "pose_queries": (tiny.constant({"out": np.linspace(0.4, 0.9, 4 * 15).reshape(4, 15)}), "queries", ""),
        "openpose": (
            tiny.constant({"out": np.concatenate([maps, np.zeros((1, 8, 8)), np.ones((4, 8, 8))])}),
            "paf",
            'limbs = [["nose", "left_eye", 4], ["left_eye", "right_eye", 6]]',
        ),
    }
    if name not in networks:
        pytest.skip(f"{name} needs weights; its own test has a network for it")
    model, decoder, more = networks[name]
    crop = "letterbox" if name in ("rtmo", "yolo_pose", "openpose", "higher_hrnet", "pose_queries") else "person"
    path = tiny.card(folder, name, model, plugin=name, decoder=decoder, size=(32, 32), crop=crop, more=more)
    return {"model": path}


def made(name, folder, monkeypatch):
    options = options_for(name, folder)
    if name != "blazepose":
        monkeypatch.setenv("MULTIVIEW_CACHE", str(folder))
    try:
        return make_detector(name, options)
    except ConfigError as error:
        if "multiview models fetch" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.parametrize("name", NAMES)
def test_options_are_typed_documented_and_strict(name):
    module = load_plugin("multiview.detect", name)
    assert module.__doc__
    assert module.Options.__doc__
    assert issubclass(module.Options, msgspec.Struct)
    assert all(
        field.default is not msgspec.NODEFAULT or field.default_factory
        for field in msgspec.structs.fields(module.Options)
    )
    with pytest.raises(ConfigError, match="no_such_option"):
        make_detector(name, {"no_such_option": 1})


@pytest.mark.parametrize("name", NAMES)
def test_frames_in_keypoints_out(name, tmp_path, monkeypatch):
    detector = made(name, tmp_path, monkeypatch)
    assert isinstance(detector, PoseDetector)
    joints = len(detector.skeleton.joints)
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    before = image.copy()
    frames = [VideoFrame(image, 0, 0, camera) for camera in ("cam01", "cam02")]
    found = detector.detect(frames)
    assert len(found) == 2
    np.testing.assert_array_equal(image, before)
    for keypoints in found:
        people = keypoints.people
        assert keypoints.xy.shape == (people, joints, 2)
        assert keypoints.score.shape == (people, joints)
        assert ((keypoints.score >= 0) & (keypoints.score <= 1)).all()
        np.testing.assert_array_equal(np.isnan(keypoints.xy).any(axis=-1), keypoints.score == 0)
        if keypoints.cov is not None:
            there = keypoints.score > 0
            assert (np.linalg.eigvalsh(keypoints.cov[there]) > 0).all()
    assert detector.stage_ns
    assert all(isinstance(ns, int) and ns >= 0 for ns in detector.stage_ns.values())
    assert detector.detect([]) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_same_frames_give_the_same(name, tmp_path, monkeypatch):
    if name == "blazepose":
        pytest.skip("blazepose remembers; what it remembers is tested with real pictures")
    detector = made(name, tmp_path, monkeypatch)
    frame = VideoFrame(np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8), 0, 0, "cam01")
    first, second = detector.detect([frame])[0], detector.detect([frame])[0]
    np.testing.assert_array_equal(first.xy, second.xy)
    np.testing.assert_array_equal(first.score, second.score)


def test_ones_own_file_is_a_detector(tmp_path):
    (tmp_path / "my.py").write_text(
        inspect.cleandoc("""
        import msgspec
        import numpy as np
        from multiview.data import Keypoints2D
        from multiview.body.skeleton import load_skeleton

        class Options(msgspec.Struct):
            at: float = 3.0

        class Detector:
            def __init__(self, options):
                self.skeleton, self.stage_ns, self.at = load_skeleton("coco17"), {}, options.at

            def detect(self, frames):
                return [Keypoints2D(np.full((1, 17, 2), self.at), np.ones((1, 17))) for _ in frames]
        """)
    )
    detector = make_detector("./my.py", {"at": 5.0}, tmp_path)
    assert detector.detect([VideoFrame(np.zeros((4, 4, 3), np.uint8), 0, 0)])[0].xy[0, 0, 0] == 5.0
    (tmp_path / "half.py").write_text("Options = None")
    with pytest.raises(MultiviewError, match=r"has no .Detector"):
        make_detector("half.py", {}, tmp_path)


def test_the_example_is_a_detector():
    example = Path(__file__).parents[2] / "examples" / "07_custom_detector.py"
    assert len(example.read_text().splitlines()) < 40
    detector = make_detector(str(example), {"threshold": 0.3})
    image = np.zeros((40, 60, 3), np.uint8)
    image[19:22, 29:32] = 255
    found = detector.detect([VideoFrame(image, 0, 0)])[0]
    np.testing.assert_array_equal(found.xy[0, 0], [30, 20])
    assert detector.detect([VideoFrame(image * 0, 0, 0)])[0].people == 0
