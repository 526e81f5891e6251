"""Write the files that the tests of keypoint formats read, with sleap-io 0.9.5, pandas 3.1.1 and tables 3.11.1.

    pip install sleap-io tables && python make_files.py

These libraries are larger than all that multiview needs, so their files are kept instead.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import sleap_io as sio
from made_files import BONES, FRAMES, JOINTS, PAIRS, arrays

HERE = Path(__file__).parent


def sleap_labels() -> sio.Labels:
    """Two cameras in one file: predicted animals, one of them corrected by hand, and symmetric ears."""
    skeleton = sio.Skeleton(
        list(JOINTS),
        edges=[(JOINTS[a], JOINTS[b]) for a, b in BONES],
        symmetries=[(JOINTS[a], JOINTS[b]) for a, b in PAIRS],
        name="mouse",
    )
    tracks = [sio.Track("one"), sio.Track("two")]
    videos = [sio.Video(f"videos/{name}.mp4", open_backend=False) for name in ("cam01", "cam02")]
    frames = []
    for camera, video in enumerate(videos):
        places, scores = arrays(camera, 2)
        for frame in range(FRAMES):
            instances = [
                sio.PredictedInstance.from_numpy(
                    places[frame, animal], skeleton, point_scores=scores[frame, animal], score=0.9, track=tracks[animal]
                )
                for animal in range(2)
            ]
            if frame == 1:
                wrong = instances[0]
                wrong["Snout"]["xy"] = (1.0, 1.0)
                instances.append(
                    sio.Instance.from_numpy(places[frame, 0], skeleton, track=tracks[0], from_predicted=wrong)
                )
            frames.append(sio.LabeledFrame(video, frame_idx=frame + 10, instances=instances))
    return sio.Labels(frames, videos=videos, skeletons=[skeleton], tracks=tracks)


def one_camera(labels: sio.Labels, camera: int) -> sio.Labels:
    """The predicted animals of one video."""
    frames = [
        sio.LabeledFrame(frame.video, frame.frame_idx - 10, list(frame.predicted_instances))
        for frame in labels.labeled_frames
        if frame.video is labels.videos[camera]
    ]
    for frame in frames:
        if frame.frame_idx == 1:
            frame.instances[0]["Snout"]["xy"] = arrays(camera, 2)[0][1, 0, 0]
    return sio.Labels(frames, videos=[labels.videos[camera]], skeletons=labels.skeletons, tracks=labels.tracks)


def deeplabcut_table(camera: int, animals: tuple[str, ...]) -> pd.DataFrame:
    """As DeepLabCut makes it; with animals, one body part belongs to none of them."""
    places, scores = arrays(camera, max(1, len(animals)))
    columns, values = [], []
    for animal, name in enumerate(animals or ("",)):
        for joint, part in enumerate(JOINTS):
            found = (places[:, animal, joint, 0], places[:, animal, joint, 1], scores[:, animal, joint])
            for coordinate, numbers in zip(("x", "y", "likelihood"), found, strict=True):
                columns.append(("DLC_net", name, part, coordinate) if animals else ("DLC_net", part, coordinate))
                values.append(numbers)
    levels = ["scorer", "individuals", "bodyparts", "coords"]
    if animals:
        columns += [("DLC_net", "single", "corner", c) for c in ("x", "y", "likelihood")]
        values += [np.full(FRAMES, 5.0)] * 3
    else:
        levels.remove("individuals")
    return pd.DataFrame(np.stack(values, axis=1), columns=pd.MultiIndex.from_tuples(columns, names=levels))


def main() -> None:
    labels = sleap_labels()
    sio.save_slp(labels, str(HERE / "both.slp"))
    for camera, name in enumerate(("cam01", "cam02")):
        sio.save_analysis_h5(one_camera(labels, camera), str(HERE / f"{name}.analysis.h5"))
    single, several = deeplabcut_table(0, ()), deeplabcut_table(0, ("mus1", "mus2"))
    single.to_csv(HERE / "single.csv")
    several.to_csv(HERE / "several.csv")
    single.to_hdf(HERE / "single_table.h5", key="df_with_missing", format="table", mode="w")
    several.to_hdf(HERE / "several_table.h5", key="df_with_missing", format="table", mode="w")
    several.to_hdf(HERE / "several_fixed.h5", key="df_with_missing", format="fixed", mode="w")
    labelled = single.drop(columns=[c for c in single.columns if c[-1] == "likelihood"])
    pictures = [("labeled-data", "cam01", f"img{frame:04d}.png") for frame in range(FRAMES)]
    labelled.index = pd.MultiIndex.from_tuples(pictures)
    labelled.to_csv(HERE / "CollectedData_me.csv")
    labelled.to_hdf(HERE / "CollectedData_me.h5", key="df_with_missing", mode="w")
    one = one_camera(labels, 0)
    sio.save_coco(one, str(HERE / "annotations.json"))
    sio.save_labelstudio(one, str(HERE / "label_studio.json"))
    sio.save_nwb(one, str(HERE / "cam01.nwb"))


if __name__ == "__main__":
    main()
