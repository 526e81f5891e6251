"""Every plugin puts known joints where they are, through each colour order, letterbox, crop and layout."""

import numpy as np
import onnx
import pytest
import torch

from multiview.data import VideoFrame
from multiview.detect import ExpectsPeople, hrnet, make_detector
from multiview.errors import ConfigError
from multiview.keypoints.crop import crop_affine, crop_region, input_from_heatmap, invert_affine, transform_points
from multiview.nets.hrnet import HRNet
from tests.detect import tiny


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIVIEW_CACHE", str(tmp_path))
    return tmp_path


def frame(image, camera="cam01", index=0):
    return VideoFrame(image, index, 0, camera)


def only(detector, image):
    keypoints = detector.detect([frame(image)])[0]
    assert keypoints.people == 1
    return keypoints.xy[0]


def order(colour, places):
    """The three dots' places in the network's channels: it sees red first, or blue first."""
    return np.array(places if colour == "rgb" else places[::-1], float)


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize("scale", [1, 2])
def test_rtmpose(cache, colour, scale):
    """The picture is as large as the crop, or twice: then every second pixel is a pixel of the crop."""
    path = tiny.card(
        cache, "pose", tiny.simcc(), plugin="rtmpose", decoder="simcc", size=(192, 256), colour=colour,
        more='person_detector = "none"\npadding = 1.0',
    )  # fmt: skip
    detector = make_detector("rtmpose", {"model": path})
    size = (192 * scale, 256 * scale)
    centre, region = crop_region(np.array([-0.5, -0.5, size[0] - 0.5, size[1] - 0.5]), (192, 256), 1.0)
    crop_from_source = crop_affine(centre, region, (192, 256))
    crop_pixels = np.array([[31.0, 200.0], [100.0, 17.0], [150.0, 150.0]])
    places = transform_points(invert_affine(crop_from_source), crop_pixels)
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for channel, (x, y) in zip((2, 1, 0), places, strict=True):  # bilinear samples half-way see all four pixels
        for px in {int(np.floor(x)), int(np.ceil(x))}:
            for py in {int(np.floor(y)), int(np.ceil(y))}:
                image[py, px, channel] = 255
    assert np.abs(only(detector, image) - order(colour, places.tolist())).max() < 0.01


def test_rtmpose_finds_people_first(cache):
    """Boxes from a person detector's letterbox, each to its own crop; two cameras, one batch."""
    boxes = [[50, 40, 50 + 48, 40 + 64, 0.9], [150, 60, 150 + 48, 60 + 64, 0.8], [0, 0, 5, 5, 0.1]]
    finder = tiny.constant({"dets": boxes, "labels": [0, 0, 0]}, (320, 320))
    finder_card = tiny.card(
        cache, "finder", finder, plugin="boxes", decoder="rtmdet", size=(320, 320), crop="letterbox", skeleton=""
    )
    path = tiny.card(
        cache, "pose", tiny.simcc(), plugin="rtmpose", decoder="simcc", size=(192, 256), more="padding = 1.0"
    )
    detector = make_detector("rtmpose", {"model": path, "person_detector": finder_card, "same_person": 1.0})
    image = np.zeros((640, 640, 3), np.uint8)  # the finder sees it at half its size
    x0, y0 = np.array([100.0, 80.0])
    image[int(y0) + 50, int(x0) + 20] = 255
    both = detector.detect([frame(image), frame(image, "cam02")])
    assert [k.people for k in both] == [1, 1]  # nothing bright in the second box
    np.testing.assert_allclose(both[0].xy[0], [[x0 + 20, y0 + 50]] * 3, atol=0.51)
    np.testing.assert_array_equal(both[0].xy, both[1].xy)
    assert set(detector.stage_ns) == {"search", "crop", "infer", "decode"}


def test_who_is_expected_is_looked_at_without_a_search(cache):
    """The finder is blind but for one person; the other is where fusion says, and both stay until the next search."""
    boxes = [[50, 40, 50 + 48, 40 + 64, 0.9]]
    finder_card = tiny.card(
        cache, "finder", tiny.constant({"dets": boxes, "labels": [0]}, (320, 320)), plugin="boxes",
        decoder="rtmdet", size=(320, 320), crop="letterbox", skeleton="",
    )  # fmt: skip
    path = tiny.card(
        cache, "pose", tiny.simcc(), plugin="rtmpose", decoder="simcc", size=(192, 256), more="padding = 1.0"
    )
    options = {"model": path, "person_detector": finder_card, "same_person": 1.0, "search_every_expected": 4}
    detector = make_detector("rtmpose", options)
    assert isinstance(detector, ExpectsPeople)
    searches, find = [], detector._finder.find
    detector._finder.find = lambda image: searches.append(1) or find(image)
    image = np.zeros((640, 640, 3), np.uint8)
    for x, y in ((110, 100), (390, 290)):  # three joints, of one colour each
        for channel, (dx, dy) in enumerate(((0, 0), (60, 40), (30, 90))):
            image[y + dy : y + dy + 3, x + dx : x + dx + 3, channel] = 255
    people = []
    for index in range(9):
        if index:
            detector.expect("cam01", np.array([[380.0, 280.0, 470.0, 400.0]]))
        people.append(detector.detect([frame(image, index=index)])[0].people)
    assert people[0] == 1  # the finder's
    assert max(people) == 2
    assert len(searches) == 3
    detector.expect("cam01", np.zeros((0, 4)))
    assert detector.detect([frame(image)])[0].people == 1


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize(
    ("plugin", "decoder", "layout", "crop"),
    [
        ("rtmo", "rtmo", "rtmo", "letterbox"),
        ("yolo_pose", "yolo_pose", "yolo8", "letterbox_centred"),
        ("yolo_pose", "yolo_pose", "yolo26", "letterbox_centred"),
    ],
)
@pytest.mark.parametrize("size", [(128, 128), (128, 96), (72, 128), (256, 192), (256, 256)])
def test_one_stage(cache, colour, plugin, decoder, layout, crop, size):
    path = tiny.card(
        cache, layout, tiny.brightest((128, 128), layout), plugin=plugin, decoder=decoder, size=(128, 128),
        colour=colour, crop=crop, border=114,
    )  # fmt: skip
    detector = make_detector(plugin, {"model": path})
    places = [(10, 20), (70, 40), (30, 90)]
    assert np.abs(only(detector, tiny.dots(size, places)) - order(colour, places)).max() < 0.01


@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize("decoder", ["argmax", "dark", "soft_argmax"])
def test_vitpose_reads_heatmaps_in_both_conventions(cache, udp, decoder):
    yy, xx = np.mgrid[:64, :48]
    at = np.array([[20.0, 30.0], [11.0, 40.0], [33.0, 17.0]])
    maps = np.exp(-((xx - at[:, 0, None, None]) ** 2 + (yy - at[:, 1, None, None]) ** 2) / 8)
    path = tiny.card(
        cache, "vit", tiny.constant({"out": maps}, (192, 256)), plugin="vitpose", decoder=decoder, size=(192, 256),
        crop="person_udp" if udp else "person", more='person_detector = "none"',
    )  # fmt: skip
    detector = make_detector("vitpose", {"model": path})
    image = np.zeros((400, 300, 3), np.uint8)
    centre, region = crop_region(np.array([-0.5, -0.5, 299.5, 399.5]), (192, 256), 1.25)
    back = invert_affine(crop_affine(centre, region, (192, 256), udp=udp))
    expected = transform_points(back, transform_points(input_from_heatmap((48, 64), (192, 256), udp), at))
    assert np.abs(only(detector, image) - expected).max() < 0.01
    keypoints = detector.detect([frame(image)])[0]
    assert (np.linalg.eigvalsh(keypoints.cov) > 0).all()


def hrnet_card(cache, crop):
    torch.manual_seed(3)
    net = HRNet(8, 3, (1, 1, 1)).eval()
    (cache / "models" / "hr").mkdir(parents=True)
    torch.save(net.state_dict(), cache / "models" / "hr" / "tiny.onnx")
    more = 'network = "tiny"\nperson_detector = "none"\ntarget_sigma = [2.0, 2.0]'
    return net, tiny.card(cache, "hr", None, plugin="hrnet", decoder="dark", size=(96, 128), crop=crop, more=more)


@pytest.mark.slow
def test_hrnet_gives_what_its_network_gives(cache, monkeypatch):
    monkeypatch.setitem(hrnet.NETWORKS, "tiny", lambda joints: HRNet(8, joints, (1, 1, 1)))
    net, path = hrnet_card(cache, "person")
    detector = make_detector("hrnet", {"model": path, "device": "cpu"})
    tensor = np.random.default_rng(0).normal(size=(2, 3, 128, 96)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(tensor)).numpy()
    np.testing.assert_allclose(detector._heatmaps(tensor), expected, atol=1e-5)
    image = np.random.default_rng(1).integers(0, 255, (130, 100, 3), dtype=np.uint8)
    assert detector.detect([frame(image)])[0].xy.shape[1:] == (3, 2)


@pytest.mark.slow
def test_a_flip_test_is_symmetrical(cache, monkeypatch):
    """The mirrored picture gives the mirrored joints, left and right exchanged."""
    monkeypatch.setitem(hrnet.NETWORKS, "tiny", lambda joints: HRNet(8, joints, (1, 1, 1)))
    _, path = hrnet_card(cache, "person_udp")
    detector = make_detector("hrnet", {"model": path, "flip": True, "min_score": 0.0})
    tensor = np.random.default_rng(2).normal(size=(1, 3, 128, 96)).astype(np.float32)
    straight = detector._joints(tensor)
    mirrored = detector._joints(np.ascontiguousarray(tensor[..., ::-1]))
    back = mirrored.xy[:, [0, 2, 1]] * [-1, 1] + [95, 0]
    np.testing.assert_allclose(back, straight.xy, atol=1e-3)


def test_openpose_groups_two_people(cache):
    """Two people of three joints and two limbs, in maps a quarter of the input's size."""
    yy, xx = np.mgrid[:32, :48]
    people = np.array([[[8.0, 5.0], [8.0, 15.0], [8.0, 25.0]], [[30.0, 6.0], [33.0, 15.0], [36.0, 24.0]]])
    heat = np.zeros((4, 32, 48))
    fields = np.zeros((6, 32, 48))  # the third limb closes a loop, and has no field
    for person in people:
        for j, (x, y) in enumerate(person):
            heat[j] = np.maximum(heat[j], np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 4))
        for k in (0, 1):
            way = person[k + 1] - person[k]
            u = way / np.linalg.norm(way)
            across = np.abs((xx - person[k][0]) * u[1] - (yy - person[k][1]) * u[0])
            fields[2 * k : 2 * k + 2][:, across < 2] = u[:, None]
    limbs = 'limbs = [["nose", "left_eye", 4], ["left_eye", "right_eye", 6], ["nose", "right_eye", 8]]'
    for name, outputs in (("one", {"out": np.concatenate([heat, fields])}), ("two", {"heat": heat, "paf": fields})):
        path = tiny.card(
            cache, name, tiny.constant(outputs, (192, 128)), plugin="openpose", decoder="paf", size=(192, 128),
            crop="letterbox", more=limbs,
        )  # fmt: skip
        keypoints = make_detector("openpose", {"model": path}).detect([frame(np.zeros((128, 192, 3), np.uint8))])[0]
        assert keypoints.people == 2
        found = keypoints.xy[np.argsort(keypoints.xy[:, 0, 0])]
        assert np.abs(found - ((people + 0.5) * 4 - 0.5)).max() < 0.25


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("crop", ["letterbox", "letterbox_centred"])
def test_higher_hrnet_groups_by_tags(cache, levels, crop):
    """Two people who stand in each other: only their tags tell whose joint is whose."""
    people = np.array([[[40.0, 20.0], [60.0, 60.0], [44.0, 100.0]], [[60.0, 24.0], [42.0, 64.0], [66.0, 104.0]]])
    heat, tags = {}, np.zeros((3, 32, 48))
    for stride in (4, 2):
        yy, xx = np.mgrid[: 128 // stride, : 192 // stride]
        at = (people + 0.5) / stride - 0.5
        blobs = np.exp(-((xx - at[..., :1, None]) ** 2 + (yy - at[..., 1:, None]) ** 2) / (2 * (6 / stride) ** 2))
        heat[stride] = 0.9 * blobs.max(axis=0)
        if stride == 4:
            tags[:] = np.where(blobs[0] > blobs[1], 0.2, 2.5)
    outputs = {"a": np.concatenate([heat[4], tags])} | ({"b": heat[2]} if levels == 2 else {})
    path = tiny.card(
        cache, "ae", tiny.constant(outputs, (192, 128)), plugin="higher_hrnet", decoder="tags", size=(192, 128),
        crop=crop, border=0,
    )  # fmt: skip
    keypoints = make_detector("higher_hrnet", {"model": path}).detect([frame(np.zeros((64, 96, 3), np.uint8))])[0]
    assert keypoints.people == 2
    found = keypoints.xy[np.argsort(keypoints.xy[:, 0, 0])]
    # The picture is half as large as the input, its first pixel's centre at the input's (letterboxes keep corners).
    assert np.abs(found - people / 2).max() < 0.25
    assert (keypoints.score > 0.8).all()


def test_yolox_without_suppression(cache):
    cells = sum((64 // s) ** 2 for s in (8, 16, 32))
    raw = np.zeros((cells, 6))
    raw[:, 2:4] = -5
    k = 3 * 8 + 2  # stride 8, cell (2, 3): centre (2.5, 3.25) * 8, size 32 x 16
    raw[k] = [0.5, 0.25, np.log(4), np.log(2), 0.9, 1.0]
    raw[k + 1] = [-0.5, 0.25, np.log(4), np.log(2), 0.8, 1.0]
    path = tiny.card(
        cache, "yolox", tiny.constant({"out": raw}, (64, 64)), plugin="boxes", decoder="yolox", size=(64, 64),
        crop="letterbox", skeleton="",
    )  # fmt: skip
    from multiview.detect._person_boxes import PersonBoxes

    boxes = PersonBoxes(path, "cpu", 1, 0.3).find(np.zeros((128, 128, 3), np.uint8))
    np.testing.assert_allclose(boxes, [[(20 - 16) * 2, (26 - 8) * 2, (20 + 16) * 2, (26 + 8) * 2]], atol=1e-4)


@pytest.mark.parametrize(
    ("model", "plugin", "decoder", "more", "complaint"),
    [
        (tiny.constant({"x": np.zeros((3, 4, 4))}), "rtmpose", "simcc", 'person_detector = "none"', "no output simcc"),
        (tiny.simcc((32, 32)), "rtmpose", "simcc", 'person_detector = "none"\nsplit_ratio = 3.0', "split ratio"),
        (tiny.simcc((64, 64)), "rtmpose", "simcc", 'person_detector = "none"', "does not take an input"),
        (tiny.simcc((32, 32)), "rtmpose", "argmax", 'person_detector = "none"', "rtmpose reads simcc"),
        (tiny.simcc((32, 32)), "rtmpose", "simcc", "", "names no person detector"),
        (tiny.constant({"x": np.zeros((5, 4, 4))}), "vitpose", "argmax", 'person_detector = "none"', "3 joints"),
        (tiny.constant({"x": np.zeros((3, 4, 4))}), "vitpose", "sonar", 'person_detector = "none"', "read by argmax"),
        (tiny.constant({"dets": np.zeros((1, 5))}), "rtmo", "rtmo", "", "no output keypoints"),
        (tiny.constant({"x": np.zeros((7, 9))}), "yolo_pose", "yolo_pose", "", r"\[14, n\]"),
        (tiny.constant({"x": np.zeros((7, 4, 4))}), "openpose", "paf", "", "needs paf, and limbs"),
        (tiny.constant({"x": np.zeros((7, 4, 4))}), "higher_hrnet", "tags", "", "one output of 6 channels"),
        (tiny.constant({"x": np.zeros((6, 4, 4))}), "higher_hrnet", "paf", "", "reads tags"),
    ],
)  # fmt: skip
def test_a_network_that_does_not_fit_its_card(cache, model, plugin, decoder, more, complaint):
    path = tiny.card(cache, "bad", model, plugin=plugin, decoder=decoder, size=(32, 32), more=more)
    with pytest.raises(ConfigError, match=complaint):
        make_detector(plugin, {"model": path}).detect([frame(np.zeros((40, 40, 3), np.uint8))])


def test_files_that_are_no_network(cache):
    path = tiny.card(cache, "bad", tiny.simcc(), plugin="rtmpose", decoder="simcc", size=(192, 256))
    (cache / "models" / "bad" / "tiny.onnx").write_bytes(b"hello")
    with pytest.raises(ConfigError, match="cannot be loaded as an ONNX network"):
        make_detector("rtmpose", {"model": path})
    constant = onnx.helper.make_node("Constant", [], ["out"], value_float=1.0)
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [])
    graph = onnx.helper.make_graph([constant], "none", [], [out])
    opset = [onnx.helper.make_opsetid("", 13)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), cache / "models" / "bad" / "tiny.onnx")
    with pytest.raises(ConfigError, match="no network of pictures"):
        make_detector("rtmpose", {"model": path})
    (cache / "models" / "bad" / "tiny.onnx").unlink()
    with pytest.raises(ConfigError, match="multiview models fetch bad"):
        make_detector("rtmpose", {"model": path})


@pytest.mark.parametrize("gpu", [False, True])
def test_what_it_runs_on_is_said_once_where_there_is_a_gpu(gpu, cache, capsys, monkeypatch):
    import onnxruntime

    from multiview.models import graphics_card, onnx

    graphics_card.say_once.cache_clear()
    monkeypatch.setattr(onnx, "has_gpu", lambda: gpu)

    path = tiny.card(
        cache, "rtmo", tiny.brightest((64, 64), "rtmo"), plugin="rtmo", decoder="rtmo", size=(64, 64), crop="letterbox"
    )
    make_detector("rtmo", {"model": path, "device": "cpu"})
    assert not capsys.readouterr().err
    for _ in range(2):
        make_detector("rtmo", {"model": path})
    said = capsys.readouterr().err
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        assert said.count("networks run on") == 1
    else:
        assert said.count("networks run on the CPU: this onnxruntime has no CUDA") == gpu
        with pytest.raises(ConfigError, match="no CUDA"):
            make_detector("rtmo", {"model": path, "device": "cuda"})
