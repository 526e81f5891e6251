"""What an industrial camera says of itself is told in words, with what to do."""

from __future__ import annotations

from multiview.sources import DeviceReport
from services.capture.device_state import state_of

WELL = DeviceReport("Basler acA1300", "2.1", 1000.0, 48.0, "Slave", -320.0, {"packets lost": 0})


def test_state_of_a_camera_that_is_well() -> None:
    seen, advice = state_of(WELL)
    assert seen == "Basler acA1300, firmware 2.1, 1000 Mbit/s, 48 °C, PTP Slave, -0.3 us from its master"
    assert advice == []


def test_state_of_a_camera_that_tells_nothing() -> None:
    assert state_of(DeviceReport("", "", None, None, "", None, {})) == ("a camera", [])


def test_state_says_what_to_do() -> None:
    losses = {"packets lost": 7, "frames without a buffer": 2}
    seen, advice = state_of(WELL._replace(link_mbit_s=100.0, temperature_c=81.0, ptp="Listening", losses=losses))
    assert "7 packets lost, 2 frames without a buffer" in seen
    words = ["link is slow", "hot", "does not follow PTP", "packet_delay", "raise buffers"]
    assert all(word in line for word, line in zip(words, advice, strict=True))


def test_state_of_a_clock_far_from_its_master() -> None:
    assert "does not follow PTP" in state_of(WELL._replace(ptp_offset_ns=2e6))[1][0]
