"""The studio file: every option is shown in the example, and every mistake is named."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from multiview.cameras.rig_file import save_rig
from multiview.common.package_data import package_file
from multiview.data import Keypoints2D
from multiview.errors import ConfigError
from multiview.fusion.pipeline import PipelineOptions
from multiview.fusion.tracker import TrackerOptions
from multiview.recordings.keypoint_folder import write_keypoints
from multiview.recordings.take import begin_take
from multiview.sources import DeviceSettings
from multiview.studio import config
from multiview.studio.config import RENAMED_KEYS, Studio
from multiview.studio.derived import camera_names, studio_rig
from multiview.studio.studio_file import load_studio, studio_text, write_studio
from multiview.studio.take_studio import take_studio
from multiview.synthetic import StudioOptions, make_rig
from multiview.timing.sync_buffer import SyncOptions

EXAMPLE = package_file("studio.toml")


def write(folder: Path, text: str) -> Path:
    path = folder / "studio.toml"
    path.write_text(text)
    return path


def test_example_is_a_studio() -> None:
    studio = load_studio(EXAMPLE, check=False)
    assert len(studio_rig(studio)) == 4
    assert studio.hub == config.HubOptions()


def test_example_shows_every_option_with_its_default() -> None:
    """Uncommented, the example's lines decode to the defaults, and no option is left out."""
    text = EXAMPLE.read_text(encoding="utf-8")
    studio = Studio()
    sections = {name: getattr(studio, name) for name in studio.__struct_fields__}
    sections = {name: value for name, value in sections.items() if isinstance(value, msgspec.Struct)}
    assert len(sections) == 8
    sections["pipeline"] = PipelineOptions()
    for name, value in sections.items():
        body = re.search(rf"^\[{name}\].*?\n(.*?)(?=^\[\w+\]|\Z)", text, re.M | re.S)
        assert body is not None, name
        shown = tomllib.loads(re.sub(r"^# ", "", body.group(1), flags=re.M))
        shown |= shown.pop(name, {})  # [pipeline.track]
        assert set(shown) == set(value.__struct_fields__) - {"volume"}, name  # [volume] stands by itself
        assert msgspec.convert(shown, type(value)) == value


def test_example_shows_every_option_of_every_source() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    parts = re.findall(r"^(?:# )?\[source\].*\n((?:(?!\n).*\n)*)", text, re.M)
    shown = [tomllib.loads(re.sub(r"^# ", "", part, flags=re.M)) for part in parts]
    kinds = {config.SyntheticSource, config.KeypointsSource, config.CameraSource}
    assert len(shown) == len(kinds)
    for kind in kinds:
        (example,) = [one for one in shown if one["type"] == kind.__struct_config__.tag]
        assert set(example) - {"type", "source"} == set(kind.__struct_fields__) - {"options"}


def test_example_of_industrial_cameras_shows_every_setting() -> None:
    """Its commented lines are the defaults, and no setting is left out."""
    example = package_file("industrial.toml")
    studio = load_studio(example, check=False)
    text = example.read_text(encoding="utf-8")
    body = text[text.index("[cameras.cam01.source.settings]") : text.index("[cameras.cam02")]
    commented = "\n".join(line.removeprefix("# ") for line in body.splitlines() if line.startswith("# "))
    assert msgspec.convert(tomllib.loads(commented), DeviceSettings) == DeviceSettings()
    shown = set(tomllib.loads(commented)) | set(tomllib.loads(body)["cameras"]["cam01"]["source"]["settings"])
    assert shown == set(DeviceSettings.__struct_fields__)
    source = studio.source_of("cam01")
    assert isinstance(source, config.CameraSource)
    assert source.address == "basler:40012345"  # no path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    studio = load_studio(EXAMPLE, check=False)
    write_studio(studio, tmp_path / "copy.toml")
    assert load_studio(tmp_path / "copy.toml", check=False) == studio


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'rig = "r.toml"\n[source]\ntype = "keypoints"\ndirectory = "kp"\n')
    studio = load_studio(path, check=False)
    assert studio.rig == str(tmp_path / "r.toml")
    assert isinstance(studio.source, config.KeypointsSource)
    assert studio.source.directory == str(tmp_path / "kp")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[source]\ntype = "synthetic"\nlop = true', 'source: unknown key "lop"; did you mean "loop"?'),
        ('[source]\ntype = "synthetic"\n[hub]\nprot = 1', 'hub: unknown key "prot"'),
        (
            '[source]\ntype = "synthetic"\n[sync]\nmax_wait = 1',
            'sync: unknown key "max_wait"; did you mean "max_wait_s"?',
        ),
        ('[source]\ntype = "magic"', "source.type: Invalid value 'magic'"),
        ('rig = "r.toml"', "no [source]"),
        ('[source]\ntype = "keypoints"\ndirectory = "k"\nfps = 0', "source.fps: must be above 0"),
        ('[source]\ntype = "keypoints"\ndirectory = "k"\nfps = nan', "frames per second, not nan"),
        ('[source]\ntype = "camera"\naddress = "0"\nspeed = -1', "source.speed: must be from 0 to 1000 times"),
        ('[source]\ntype = "synthetic"\n[hub]\nrequest_port = 70000', "hub.request_port: must be from 0 to 65535"),
        (
            '[source]\ntype = "camera"\naddress = "0"\n[source.settings]\nbinning = 2',
            "of a webcam can be set: size, pixel_format, exposure_us, exposure_auto",
        ),
        (
            '[source]\ntype = "camera"\naddress = "basler:1"\n[source.settings]\nroi = [1, 2, 3]',
            "roi must be [x, y, width, height]",
        ),
        ('[source]\ntype = "synthetic"\n[sync]\nrate_hz = 1e300', "sync.rate_hz: must be from 0 to 1000 ticks per"),
        ('[source]\ntype = "synthetic"\n[sync]\nmissed_ticks = 0', "sync.missed_ticks: must be from 1"),
        ('[source]\ntype = "synthetic"\n[volume]\nmin = [nan, 0, 0]', "volume.min[0]: must be a number, not nan"),
        ('version = 2\n[source]\ntype = "synthetic"', "version 2"),
        ('name = "a/b"\n[source]\ntype = "synthetic"', "name: a name is 1 to 64 characters"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_studio(write(tmp_path, text), check=False)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[hub]\ningest_port = 7001\npublish_port = 7001", "hub.ingest_port and hub.publish_port are both 7001"),
        ("[hub]\nrequest_port = 9464\n[metrics]\nenabled = true", "hub.request_port and metrics.port are both 9464"),
        ("[[workers]]\ncameras = []", "workers: one has no cameras"),
    ],
)
def test_studio_that_would_start_and_never_speak_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    source = '[source]\ntype = "synthetic"\noptions = { cameras = 2, seconds = 1.0 }\n'
    with pytest.raises(ConfigError) as caught:
        load_studio(write(tmp_path, source + text))
    assert expected in str(caught.value)
    ports = "[hub]\ningest_port = 0\npublish_port = 0\nrequest_port = 9464"
    load_studio(write(tmp_path, f"{source}{ports}"))  # 0 is any free one, and nobody serves metrics


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('associator = "epipolar"', 'has no "epipolar"; did you mean "epipolar_graph"?'),
        (
            "associator_options = { soft_treshold = 2.0 }",
            'options of epipolar_graph: unknown key "soft_treshold"; did you mean "soft_threshold"?',
        ),
    ],
)
def test_associator_of_a_studio_is_checked(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, f'[source]\ntype = "synthetic"\n[pipeline]\n{text}')
    with pytest.raises(ConfigError) as caught:
        load_studio(path)
    assert expected in str(caught.value)


def test_associator_of_ones_own_lies_beside_the_studio_and_not_in_a_take(tmp_path: Path) -> None:
    path = write(tmp_path, '[source]\ntype = "synthetic"\n[pipeline]\nassociator = "my.py"')
    studio = load_studio(path, check=False)
    assert studio.pipeline["associator"] == str(tmp_path / "my.py")
    take = begin_take(tmp_path, "foreign", datetime.now(UTC), "", studio_text(studio))
    with pytest.raises(ConfigError, match="a take may not bring its own code"):
        take_studio(take)


@pytest.mark.parametrize(
    ("section", "old"),
    [
        ("", "cast"),
        ("sync", "budget_s"),
        ("sync", "bracket_frames"),
        ("sync", "horizon_s"),
        ("fusion", "watch_latency"),
        ("fusion", "correct_latency"),
        ("fusion", "leave_out_knocked"),
        ("fusion", "turn_back_knocked"),
        ("pipeline", "agility"),
        ("pipeline", "associate"),
        ("pipeline.track", "person_joints"),
        ("pipeline.track", "same_m"),
        ("pipeline.track", "two_view_frames"),
        ("pipeline.track", "walk_m_s"),
        ("source.options", "dropped"),
        ("source.options", "ghosts"),
        ("source.options", "hidden_found"),
        ("source.options", "missed"),
    ],
)
def test_renamed_key_is_rejected_with_its_new_name(tmp_path: Path, section: str, old: str) -> None:
    keys = f"[{section}]\n{old} = 1\n"
    source = '[source]\ntype = "synthetic"\n'
    path = write(tmp_path, source + keys if section else f"{old} = 1\n" + source)
    with pytest.raises(ConfigError, match=f'the key "{old}" is now called "{RENAMED_KEYS[old]}"'):
        load_studio(path)


def test_every_renamed_key_is_the_name_of_one_now() -> None:
    names: set[str] = set()
    for kind in (Studio, SyncOptions, config.FusionOptions, PipelineOptions, TrackerOptions, StudioOptions):
        names |= {field.name for field in msgspec.structs.fields(kind)}
    assert set(RENAMED_KEYS.values()) <= names


def test_a_synthetic_option_is_checked(tmp_path: Path) -> None:
    path = write(tmp_path, '[source]\ntype = "synthetic"\n[source.options]\npeple = 3')
    with pytest.raises(ConfigError, match='unknown key "peple"; did you mean "people"'):
        studio_rig(load_studio(path, check=False))


CAMERA = '[source]\ntype = "camera"\naddress = "{{camera}}.mp4"\ndetector = "{}"\n'
TWO = "[source.options]\ncameras = 2\n"


@pytest.mark.parametrize(
    ("text", "skeleton"),
    [
        (CAMERA.format("blazepose"), "blazepose33"),
        (CAMERA.format("openpose"), "coco18"),
        (CAMERA.format("openpose") + '[source.options]\nmodel = "openpose-body25"\n', "body25"),
        (CAMERA.format("keypoints") + '[source.options]\nskeleton = "halpe26"\n', "halpe26"),
        (CAMERA.format("./my.py"), "body25"),  # one's own is not run to find out
        ('[source]\ntype = "synthetic"\n', "coco17"),
        ('[source]\ntype = "keypoints"\ndirectory = "keypoints"\n', "coco18"),
        ('[source]\ntype = "keypoints"\ndirectory = "none"\n', "body25"),
        ('skeleton = "halpe26"\n' + CAMERA.format("blazepose"), "halpe26"),
    ],
)
def test_load_studio_takes_the_skeleton_of_the_source(tmp_path: Path, text: str, skeleton: str) -> None:
    (tmp_path / "studio.toml").write_text(text)
    write_keypoints(Keypoints2D(np.ones((1, 18, 2)), np.ones((1, 18))), make(tmp_path / "keypoints/cam01") / "0.json")
    assert load_studio(tmp_path / "studio.toml", check=False).skeleton == skeleton


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_load_studio_refuses_what_a_worker_would(tmp_path: Path) -> None:
    save_rig(make_rig(StudioOptions(cameras=2)), tmp_path / "rig.toml")
    text = 'rig = "rig.toml"\nskeleton = "body25"\n' + CAMERA.format("blazepose")
    (tmp_path / "studio.toml").write_text(text)
    with pytest.raises(ConfigError, match=r'gives blazepose33.*set skeleton = "blazepose33"'):
        load_studio(tmp_path / "studio.toml")
    (tmp_path / "studio.toml").write_text('skeleton = "body25"\n[source]\ntype = "synthetic"\n')
    with pytest.raises(ConfigError, match="cam01: its source gives coco17"):
        load_studio(tmp_path / "studio.toml")


def test_load_studio_refuses_sources_of_several_skeletons(tmp_path: Path) -> None:
    other = '[cameras.cam02.source]\ntype = "camera"\naddress = "0"\ndetector = "openpose"\n'
    save_rig(make_rig(StudioOptions(cameras=2)), tmp_path / "rig.toml")
    (tmp_path / "studio.toml").write_text('rig = "rig.toml"\n' + CAMERA.format("blazepose") + other)
    with pytest.raises(ConfigError, match=r"different skeletons \(blazepose33, coco18\)"):
        load_studio(tmp_path / "studio.toml")


def test_camera_names_are_those_of_the_rig_and_those_with_a_source(tmp_path: Path) -> None:
    """What `capture` films is what `doctor` examines and `run` reads, also where one [source] is for all."""
    save_rig(make_rig(StudioOptions(cameras=2)), tmp_path / "rig.toml")
    (tmp_path / "studio.toml").write_text('rig = "rig.toml"\n' + CAMERA.format("blazepose"))
    assert camera_names(load_studio(tmp_path / "studio.toml", check=False)) == ["cam01", "cam02"]
    own = '[cameras.left.source]\ntype = "camera"\naddress = "0"\n'
    (tmp_path / "studio.toml").write_text('rig = "none.toml"\n' + own)  # not calibrated yet
    assert camera_names(load_studio(tmp_path / "studio.toml", check=False)) == ["left"]


def test_studio_has_sixteen_cameras_at_most(tmp_path: Path) -> None:
    path = tmp_path / "studio.toml"
    one = '[cameras.cam{n:02}.source]\ntype = "camera"\naddress = "{n}"\ndetector = "blazepose"\n'
    path.write_text("".join(one.format(n=n) for n in range(17)))
    with pytest.raises(ConfigError, match=r"studio\.toml: 17 cameras: there may be 16 at most, so leave some out"):
        load_studio(path, check=False)
    path.write_text('[source]\ntype = "synthetic"\noptions = { cameras = 17 }\n')
    with pytest.raises(ConfigError, match="cameras"):
        load_studio(path)
