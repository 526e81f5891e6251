"""What an industrial camera says of itself, in words, with what to do."""

from __future__ import annotations

from multiview.sources import DeviceReport

__all__ = ["state_of"]

HOT_C = 75.0
FAST_MBIT_S = 1000.0  # of gigabit Ethernet, and far below USB 3
PTP_LOCKED = ("Slave", "Master", "on")
PTP_OFF_NS = 100_000.0  # beyond which a locked clock is not locked in truth


def state_of(report: DeviceReport) -> tuple[str, list[str]]:
    """Its state and what is wrong with it.

    Args:
        report: Of the camera, after it has sent frames for a while.

    Returns:
        The state in words, and advice; no advice where all is well.
    """
    r, advice = report, list[str]()
    seen = [r.model or "a camera", f"firmware {r.firmware}" if r.firmware else ""]
    if r.link_mbit_s is not None:
        seen.append(f"{r.link_mbit_s:.0f} Mbit/s")
        if r.link_mbit_s < FAST_MBIT_S:
            advice.append("its link is slow: use a gigabit port and a Cat 6 cable, or a USB 3 port and cable")
    if r.temperature_c is not None:
        seen.append(f"{r.temperature_c:.0f} °C")
        if r.temperature_c > HOT_C:
            advice.append("it is hot: mount it on metal, and let air to it")
    if r.ptp:
        offset = "" if r.ptp_offset_ns is None else f", {r.ptp_offset_ns / 1e3:+.1f} us from its master"
        seen.append(f"PTP {r.ptp}{offset}")
        if r.ptp not in PTP_LOCKED or abs(r.ptp_offset_ns or 0.0) > PTP_OFF_NS:
            advice.append("its clock does not follow PTP yet: wait, and check that the network has one master")
    seen += [f"{count} {what}" for what, count in r.losses.items() if count]
    if r.losses.get("packets lost") or r.losses.get("frames damaged"):
        advice.append(
            "packets are lost: raise packet_delay, use jumbo frames (packet_size = 8192), a larger net.core.rmem_max, "
            "or a port of its own"
        )
    if r.losses.get("frames without a buffer"):
        advice.append("this computer does not keep up: raise buffers, lower fps, or use a smaller roi")
    return ", ".join(filter(None, seen)), advice
