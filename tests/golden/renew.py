"""Make the golden reference anew: `python -m tests.golden.renew`. Prints how far it moved.

For changes that are meant to move poses or rigs, and for nothing else.
"""

from __future__ import annotations

from tests.golden import reference
from tests.golden.reference import Difference


def main() -> None:
    """Write all references, after the largest differences to those before."""
    for studio, names in reference.STUDIOS.items():
        given = reference.read(f"{studio}_input")
        results = {name: reference.fused(given, name) for name in names}
        if (reference.FOLDER / f"{studio}_poses.npz").exists():
            for name, poses in results.items():
                _show(f"{studio}, {name}", reference.pose_differences(poses, reference.read_poses(studio, name)))
        reference.write_poses(studio, results)
    rig = reference.solved(reference.read("board_input"))
    if (reference.FOLDER / "board_rig.npz").exists():
        _show("calibration", reference.rig_differences(rig, reference.read_rig()))
    reference.write_rig(rig)


def _show(title: str, differences: list[Difference]) -> None:
    print(f"{title}: largest differences to the reference before")
    for one in differences:
        print(f"  {one.name}: {one.size:.3g}" + (f" ({one.where})" if one.size else ""))


if __name__ == "__main__":
    main()
