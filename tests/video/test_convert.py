"""A converted video: its frames, times, sound, transparency and size, decoded by PyAV alone."""

import threading
import time
import weakref
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clips import TICK, pitch_hz, read_alpha, read_clip, read_sound, square, write_clip
from conftest import toy_map
from featheredge.compose import cutout
from featheredge.errors import ArgumentError, OutputError, VideoError
from featheredge.looks import draw
from featheredge.session import Session
from featheredge.video import convert as module
from featheredge.video.camera import open_camera
from featheredge.video.convert import Selection, convert
from featheredge.video.decoding import to_rgb
from featheredge.video.frame import Frame
from featheredge.video.reader import open_file
from featheredge.video.rendering import looks_of, renderer


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return write_clip(path, [square(index) for index in range(20)], sound="aac")


@pytest.fixture(scope="module")
def edges(toy_onnx) -> Session:
    return Session(toy_onnx)


@pytest.fixture(scope="module")
def saliency(toy_saliency_onnx) -> Session:
    return Session(toy_saliency_onnx)


def run(source: Path, output: Path, session: Session, look: Any = "map", **options: Any):
    render = renderer(session.task, look, background=options.pop("background", None))
    with open_file(source) as reader:
        return convert(reader, output, session, render, **options)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_every_container_has_all_frames_times_and_the_tone(clip, edges, tmp_path, suffix):
    output = tmp_path / f"out{suffix}"
    done = run(clip, output, edges)
    frames, times = read_clip(output)
    assert done.num_frames == len(frames) == 20
    gaps = np.diff(times)
    np.testing.assert_allclose(gaps, 1 / 30, atol=0.00101)  # Matroska and WebM count in ms
    for index in (0, 7, 19):
        expected = toy_map(square(index)) * 255
        assert np.abs(frames[index][..., 0] - expected).mean() < 3  # lossy codecs
    codec, samples = read_sound(output)
    assert codec == ("opus" if suffix == ".webm" else "aac")
    assert done.sound == ("re-encoded" if suffix == ".webm" else "copied")
    assert pitch_hz(samples) == pytest.approx(440, abs=3)
    assert len(samples) / 48000 == pytest.approx(20 / 30, abs=0.06)


def test_sound_that_mp4_does_not_take_is_encoded_again(edges, tmp_path):
    source = write_clip(tmp_path / "in.mkv", [square(0)] * 12, sound="libopus")
    assert run(source, tmp_path / "out.mp4", edges).sound == "re-encoded"
    codec, samples = read_sound(tmp_path / "out.mp4")
    assert codec == "aac"
    assert pitch_hz(samples) == pytest.approx(440, abs=5)


def test_no_sound_if_not_wanted(clip, edges, tmp_path):
    assert run(clip, tmp_path / "out.mp4", edges, selection=Selection(sound=False)).sound is None
    with pytest.raises(IndexError):
        read_sound(tmp_path / "out.mp4")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_variable_frame_rate_stays(edges, tmp_path, suffix):
    steps = np.random.default_rng(0).integers(300, 4000, 15)
    times = [0, *np.cumsum(steps).tolist()]
    source = write_clip(tmp_path / "in.mp4", [square(i) for i in range(16)], times=times)
    run(source, tmp_path / f"out{suffix}", edges)
    _, found = read_clip(tmp_path / f"out{suffix}")
    np.testing.assert_allclose(found, [float(time * TICK) for time in times], atol=0.00101)


def test_a_transport_stream_starts_at_zero(edges, tmp_path):
    frames = [square(index) for index in range(30)]
    source = write_clip(tmp_path / "in.ts", frames, sound="aac", starts_s=3)
    assert read_clip(source)[1][0] > 1  # it starts later
    run(source, tmp_path / "out.mp4", edges)
    _, times = read_clip(tmp_path / "out.mp4")
    assert len(times) == 30
    assert times[0] == pytest.approx(0, abs=0.1)
    assert pitch_hz(read_sound(tmp_path / "out.mp4")[1]) == pytest.approx(440, abs=3)


def test_a_size_that_changes_is_an_error(edges, tmp_path):
    from featheredge.video.frame import Timing
    from featheredge.video.writer import VideoWriter

    timing = Timing(TICK, Fraction(30))
    with VideoWriter(tmp_path / "out.mp4", timing) as writer:
        writer.write(Frame(square(0), 0))
        with pytest.raises(OutputError, match="32x48 pixels after frames of 64x48"):
            writer.write(Frame(square(1)[:, :32], 1000))


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_rotated_video_comes_out_upright(edges, tmp_path, rotation):
    stored = np.full((48, 64, 3), 60, np.uint8)
    stored[4:20, 4:20] = 230  # in one corner, so that every turn shows
    source = write_clip(tmp_path / "in.mp4", [stored] * 5, rotation=rotation)
    run(source, tmp_path / "out.mp4", edges)
    frames, _ = read_clip(tmp_path / "out.mp4")
    upright = Image.fromarray(stored).rotate(rotation, expand=True)  # counter-clockwise too
    expected = toy_map(np.asarray(upright)) * 255
    assert frames[0].shape[:2] == expected.shape
    assert np.abs(frames[0][..., 0] - expected).mean() < 4


@pytest.mark.parametrize("suffix", [".mov", ".webm"])
def test_a_transparent_cutout_decodes_back(clip, saliency, tmp_path, suffix):
    run(clip, tmp_path / f"out{suffix}", saliency, "cutout")
    frames = read_alpha(tmp_path / f"out{suffix}")
    assert len(frames) == 20
    for index in (0, 10):
        expected = cutout(square(index), model=saliency)
        assert isinstance(expected, np.ndarray)
        alpha = frames[index][..., 3].astype(int)
        assert np.abs(alpha - expected[..., 3]).mean() < 6
        assert alpha.max() > 250
        assert alpha.min() < 5
        opaque = expected[..., 3] == 255
        assert np.abs(frames[index][..., :3].astype(int) - expected[..., :3])[opaque].mean() < 8


def test_a_cutout_on_a_colour_and_a_frame_without_object(saliency, tmp_path):
    frames = [square(0)] * 3 + [np.full((48, 64, 3), 40, np.uint8)] * 3
    source = write_clip(tmp_path / "in.mp4", frames)
    run(source, tmp_path / "out.mp4", saliency, "cutout", background=(0, 255, 0))
    found, _ = read_clip(tmp_path / "out.mp4")
    assert np.abs(found[0][40, 60].astype(int) - (0, 255, 0)).max() < 12
    assert found[0][20, 8].min() > 200
    assert np.abs(found[5].astype(int) - (0, 255, 0)).max() < 12


def test_every_look_has_a_size_and_side_by_side_shows_both(clip, edges, tmp_path):
    for look in looks_of("edges"):
        run(clip, tmp_path / f"{look}.mp4", edges, look)
        frames, _ = read_clip(tmp_path / f"{look}.mp4")
        assert frames[0].shape == (48, 128 if look == "side-by-side" else 64, 3)
    both = read_clip(tmp_path / "side-by-side.mp4")[0][4]
    assert np.abs(both[:, :64].astype(int) - square(4)).mean() < 4
    assert np.abs(both[:, 64:, 0] - toy_map(square(4)) * 255).mean() < 4


@pytest.mark.parametrize("task", ["edges", "saliency"])
def test_a_frame_looks_as_a_picture_does(toy_onnx, toy_saliency_onnx, task):
    pixels = square(3)
    map = Session(toy_onnx if task == "edges" else toy_saliency_onnx)(pixels)
    for look in set(looks_of(task)) - {"side-by-side"}:
        expected = draw(task, look, pixels, map)
        assert isinstance(expected, np.ndarray)
        expected = expected if expected.ndim == 3 else np.stack([expected] * 3, axis=-1)
        np.testing.assert_array_equal(renderer(task, look)(pixels, map), expected, err_msg=look)


def test_every_look_of_a_frame_without_object():
    pixels, map = square(0), np.zeros((48, 64), np.float32)
    for look in looks_of("saliency"):
        assert renderer("saliency", look)(pixels, map).shape[0] == 48
    np.testing.assert_array_equal(
        renderer("saliency", "cutout", background=pixels)(pixels, map), pixels
    )


def test_every_size_and_seconds(edges, tmp_path):
    frames = [square(index, 66, 100) for index in range(30)]
    source = write_clip(tmp_path / "in.mp4", frames)
    selection = Selection(every=3, longest_px=50, seconds=0.5)
    done = run(source, tmp_path / "out.mp4", edges, selection=selection)
    found, times = read_clip(tmp_path / "out.mp4")
    assert done.num_frames == len(found)
    assert len(found) in (5, 6)
    np.testing.assert_allclose(np.diff(times), 0.1, atol=1e-3)
    assert found[0].shape == (34, 50, 3)  # 33 rows, made even by repeating the last


def test_progress_counts_to_the_total(clip, edges, tmp_path):
    seen: list[tuple[int, int | None]] = []
    run(clip, tmp_path / "out.mp4", edges, progress=lambda *counts: seen.append(counts))
    assert seen == [(count, 20) for count in range(1, 21)]


def test_memory_does_not_grow_with_the_clip(edges, tmp_path, monkeypatch):
    """Counts the frames that are alive at once, for a short and for a longer clip.

    Drawing waits, so that the queue before it is full in both clips, however busy the machine is.
    """
    highest = {}
    for length in (30, 90):
        alive: weakref.WeakSet[Frame] = weakref.WeakSet()
        most = 0

        def render(pixels, map, alive=alive):
            nonlocal most
            time.sleep(0.01)
            most = max(most, len(alive))
            return np.repeat((map[..., None] * 255).astype(np.uint8), 3, axis=2)

        def counted(frame, session, smoother, alive=alive):
            alive.add(frame)
            return frame, session(frame.pixels)

        monkeypatch.setattr(module, "_with_map", counted)
        source = write_clip(tmp_path / f"{length}.mp4", [square(i) for i in range(length)])
        with open_file(source) as reader:
            convert(reader, tmp_path / f"{length}_out.mp4", edges, render)
        highest[length] = most
    assert 1 <= highest[90] <= 8
    assert highest[90] <= highest[30] + 2


def test_stop_leaves_a_playable_file(edges, tmp_path):
    source = write_clip(tmp_path / "in.mp4", [square(i) for i in range(60)], sound="aac")
    stop = threading.Event()
    output = tmp_path / "out.mp4"
    done = run(
        source, output, edges, stop=stop, progress=lambda count, _: count == 5 and stop.set()
    )
    frames, _ = read_clip(output)
    assert done.stopped
    assert 5 <= len(frames) == done.num_frames < 30


def test_an_error_leaves_nothing_behind(clip, edges, tmp_path):
    def broken(pixels, map):
        raise ValueError("no drawing")

    with open_file(clip) as reader, pytest.raises(ValueError, match="no drawing"):
        convert(reader, tmp_path / "out.mp4", edges, broken)
    assert list(tmp_path.iterdir()) == []


def test_bad_inputs_are_one_sentence(tmp_path, clip):
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(VideoError, match=r"text.mp4: not a video, or the file is damaged"):
        open_file(tmp_path / "text.mp4")
    with pytest.raises(VideoError, match="No such file"):
        open_file(tmp_path / "missing.mp4")
    (tmp_path / "half.mp4").write_bytes(clip.read_bytes()[:-400])  # the index is at the end
    with pytest.raises(VideoError, match="no index and cannot be played"):
        open_file(tmp_path / "half.mp4")
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(VideoError, match=r"empty.mp4"):
        open_file(tmp_path / "empty.mp4")


def test_a_truncated_video_gives_what_is_left_and_says_so(edges, tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(120)]
    whole = write_clip(tmp_path / "whole.mkv", noise)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    done = run(cut, tmp_path / "out.mp4", edges)
    frames, _ = read_clip(tmp_path / "out.mp4")
    assert 20 < len(frames) == done.num_frames < 60
    assert done.missing_s == pytest.approx(4 - len(frames) / 30, abs=0.1)


def test_damaged_parts_are_counted_and_skipped(edges, tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(60)]
    source = write_clip(tmp_path / "in.mp4", noise, codec="mpeg4")
    data = bytearray(source.read_bytes())
    start = len(data) // 2
    data[start : start + 6000] = bytes(6000)
    (tmp_path / "bad.mp4").write_bytes(data)
    done = run(tmp_path / "bad.mp4", tmp_path / "out.mp4", edges)
    assert 10 < done.num_frames <= 60
    assert done.num_damaged > 0
    assert len(read_clip(tmp_path / "out.mp4")[0]) == done.num_frames


def test_a_sound_file_is_no_video(tmp_path):
    import av

    with av.open(str(tmp_path / "tone.wav"), "w") as output:
        track = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        output.mux(track.encode(frame))
    with pytest.raises(VideoError, match="no video stream"):
        open_file(tmp_path / "tone.wav")


def test_outputs_that_cannot_be(clip, edges, saliency, tmp_path):
    with pytest.raises(OutputError, match=r"out.avi: videos are written as .mp4, .mov"):
        run(clip, tmp_path / "out.avi", edges)
    with pytest.raises(OutputError, match=r"has no transparency.*\.mov or \.webm"):
        run(clip, tmp_path / "out.mp4", saliency, "cutout")
    with pytest.raises(ArgumentError, match="videos of edges have no look 'cutout'"):
        renderer("edges", "cutout")
    with pytest.raises(ArgumentError, match="no look 'contour-svg'; choose one of map, binary"):
        renderer("edges", "contour-svg")
    with pytest.raises(ArgumentError, match="overlay has no background"):
        renderer("saliency", "overlay", background="red")
    with pytest.raises(ArgumentError, match="choose one of map, binary"):
        run(clip, tmp_path / "out.mp4", edges, "mapp")


def test_colours_of_hd_without_a_matrix_are_bt709():
    import av

    pixels = np.zeros((720, 16, 3), np.uint8)
    pixels[..., 1] = 200
    frame = av.VideoFrame.from_ndarray(pixels).reformat(format="yuv444p", dst_colorspace=1)
    frame.colorspace = 2  # unspecified
    assert np.abs(to_rgb(frame).astype(int) - pixels).max() <= 2


def test_a_camera_is_read_through_a_device_layer(edges, tmp_path, monkeypatch):
    """FFmpeg's virtual device stands in for a camera: no real one is tested."""
    import av

    from featheredge.video import camera

    def virtual(index):
        return av.open(f"testsrc=size=64x48:rate=30:duration={2 + index}", format="lavfi")

    monkeypatch.setattr(camera, "_open_device", virtual)
    with open_camera(0) as reader:
        done = convert(
            reader,
            tmp_path / "out.mp4",
            edges,
            renderer("edges"),
            selection=Selection(seconds=0.5),
        )
    _, times = read_clip(tmp_path / "out.mp4")
    assert times[0] == 0
    assert done.num_frames == len(times) == pytest.approx(15, abs=1)


def test_a_missing_camera_is_one_sentence():
    with pytest.raises(VideoError, match="camera 97: "):
        open_camera(97)
