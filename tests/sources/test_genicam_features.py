"""Settings of industrial cameras reach the camera, by its own names and in an order that it takes, or are refused."""

from __future__ import annotations

import sys

import pytest

from multiview.common.plugins import load_plugin
from multiview.errors import SourceError
from multiview.sources import _aravis, device_addresses, open_source
from multiview.sources._aravis import load_aravis
from multiview.sources._device_settings import DeviceSettings
from multiview.sources._genicam_features import Value, apply_settings
from tests.industrial import KINDS, emulated

MODERN: dict[str, Value] = {
    "PixelFormat": "Mono8", "Width": 640, "Height": 480, "OffsetX": 32, "OffsetY": 0, "BinningHorizontal": 1,
    "BinningVertical": 1, "ExposureTime": 1e4, "ExposureAuto": "Continuous", "Gain": 0.0, "GainAuto": "Off",
    "BalanceWhiteAuto": "Off", "BalanceRatioSelector": "Red", "BalanceRatio": 1.0, "GevSCPSPacketSize": 1500,
    "GevSCPD": 0, "PtpEnable": False, "TriggerSelector": "FrameStart", "TriggerMode": "Off", "TriggerSource": "Line0",
    "TriggerActivation": "RisingEdge", "AcquisitionFrameRateEnable": False, "AcquisitionFrameRate": 25.0, "Gamma": 1.0,
}  # fmt: skip
RENAMED = {"ExposureTime": "ExposureTimeAbs", "AcquisitionFrameRate": "AcquisitionFrameRateAbs",
           "PtpEnable": "GevIEEE1588", "BalanceRatio": "BalanceRatioAbs"}  # fmt: skip
OLD = {RENAMED.get(name, name): value for name, value in MODERN.items()}
EVERYTHING = DeviceSettings(
    pixel_format="BayerRG8", roi=[16, 8, 320, 240], binning=2, exposure_us=4000.0, exposure_auto="off", gain_db=6.0,
    white_balance=[1.5, 1.0, 2.0], packet_size=8192, packet_delay=100, ptp=True, features={"Gamma": 0.8},
)  # fmt: skip


class Camera:
    """Notes what is written, in order."""

    def __init__(self, values: dict[str, Value]) -> None:
        self.values, self.written = dict(values), list[tuple[str, Value]]()

    def read(self, name: str) -> Value | None:
        return self.values.get(name)

    def write(self, name: str, value: Value) -> None:
        if name == "Gamma" and value == 9.0:
            raise SourceError("the camera refuses it: at most 4")
        self.values[name] = value
        self.written.append((name, value))

    def execute(self, name: str) -> bool:
        return False


@pytest.mark.parametrize(("values", "renamed"), [(MODERN, {}), (OLD, RENAMED)], ids=["SFNC 2", "GigE Vision 1"])
def test_settings_are_written_by_the_cameras_names_in_an_order_that_it_takes(
    values: dict[str, Value], renamed: dict[str, str]
) -> None:
    camera = Camera(values)
    apply_settings(camera, EVERYTHING, 60.0)
    expected: list[tuple[str, Value]] = [
        ("PixelFormat", "BayerRG8"),
        ("BinningHorizontal", 2),
        ("BinningVertical", 2),
        ("OffsetX", 0),  # or the width would not fit beside it
        ("Width", 320),
        ("Height", 240),
        ("OffsetX", 16),
        ("OffsetY", 8),
        ("ExposureAuto", "Off"),  # before the time, which it would lock
        ("ExposureTime", 4000.0),
        ("Gain", 6.0),
        ("BalanceRatioSelector", "Red"),
        ("BalanceRatio", 1.5),
        ("BalanceRatioSelector", "Green"),
        ("BalanceRatio", 1.0),
        ("BalanceRatioSelector", "Blue"),
        ("BalanceRatio", 2.0),
        ("GevSCPSPacketSize", 8192),
        ("GevSCPD", 100),
        ("PtpEnable", True),
        ("AcquisitionFrameRateEnable", True),
        ("AcquisitionFrameRate", 60.0),
        ("Gamma", 0.8),
    ]
    assert camera.written == [(renamed.get(name, name), value) for name, value in expected]


@pytest.mark.parametrize(
    ("settings", "written"),
    [
        (DeviceSettings(trigger="Line1", trigger_edge="falling"),
         {"TriggerSource": "Line1", "TriggerActivation": "FallingEdge", "TriggerMode": "On"}),
        (DeviceSettings(trigger="software"), {"TriggerSource": "Software", "TriggerMode": "On"}),
        (DeviceSettings(trigger="off"), {"TriggerMode": "Off", "AcquisitionFrameRate": 50.0}),
        (DeviceSettings(), {"AcquisitionFrameRate": 50.0}),
    ],
)  # fmt: skip
def test_rate_is_the_triggers_where_there_is_one(settings: DeviceSettings, written: dict[str, Value]) -> None:
    camera = Camera(MODERN)
    apply_settings(camera, settings, 50.0)
    done = dict(camera.written)
    assert {name: done.get(name) for name in written} == written
    assert ("AcquisitionFrameRate" in done) == ("AcquisitionFrameRate" in written)


def test_setting_that_a_camera_lacks_or_refuses_is_named() -> None:
    with pytest.raises(SourceError, match=r"^gain_db = 6.0: this camera has no Gain$"):
        apply_settings(Camera({}), DeviceSettings(gain_db=6.0), 0.0)
    with pytest.raises(SourceError, match=r"^features.Gamma = 9.0: the camera refuses it: at most 4$"):
        apply_settings(Camera(MODERN), DeviceSettings(features={"Gamma": 9.0}), 0.0)


TAKEN: dict[str, tuple[DeviceSettings, dict[str, Value]]] = {
    "basler": (
        DeviceSettings(
            pixel_format="Mono16", roi=[16, 8, 64, 48], binning=2, exposure_us=3000.0, gain_db=6.0, packet_size=1500,
            trigger="Line1", features={"Gamma": 2.0},
        ),
        {"PixelFormat": "Mono16", "Width": 64, "Height": 48, "OffsetX": 16, "OffsetY": 8, "BinningVertical": 2,
         "ExposureTime": 3000.0, "Gain": 6.0, "TriggerMode": "On", "TriggerSource": "Line1", "Gamma": 2.0},
    ),
    "genicam": (
        DeviceSettings(
            pixel_format="BayerRG8", roi=[16, 8, 64, 48], binning=2, exposure_us=3000.0, packet_size=1500,
            packet_delay=100, trigger="software",
        ),
        {"PixelFormat": "BayerRG8", "Width": 64, "Height": 48, "OffsetX": 16, "OffsetY": 8, "BinningVertical": 2,
         "ExposureTimeAbs": 3000.0, "GevSCPSPacketSize": 1500, "GevSCPD": 100, "TriggerMode": "On",
         "TriggerSource": "Software"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TAKEN)
def test_emulated_camera_is_set(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (address,) = emulated(kind, 1, monkeypatch)
    settings, expected = TAKEN[kind]
    source = load_plugin("multiview.sources", kind).Source(address, "cam01", 20.0, settings)
    try:
        found = {name: source._device.features.read(name) for name in expected}
        assert found == {n: pytest.approx(v, abs=1e-3) if isinstance(v, float) else v for n, v in expected.items()}
        assert source.size == (64, 48)
    finally:
        source.close()


def test_camera_whose_library_is_missing_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypylon", None)  # as if it were not installed
    monkeypatch.setattr(_aravis, "_paths", list)
    load_aravis.cache_clear()
    try:
        for kind in KINDS:
            with pytest.raises(SourceError, match=rf'pip install "multiview-mocap\[{kind}\]"'):
                open_source(f"{kind}:1")
        assert device_addresses() == []
    finally:
        load_aravis.cache_clear()
