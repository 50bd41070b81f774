"""Tiny videos for tests: a bright square that moves over a grey ground, with a tone."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="needs featheredge[video]")

TICK = Fraction(1, 30000)
TONE_HZ = 440
SOUND_RATE = 48000


def square(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frame `index`: (H, W, 3) uint8, a square of 16 px that moves by 1 px a frame."""
    pixels = np.full((height, width, 3), 60, np.uint8)
    left = index % (width - 16)
    pixels[12:28, left : left + 16] = 230
    return pixels


def write_clip(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    times: Sequence[int] | None = None,
    sound: str | None = None,
    rotation: float = 0,
    codec: str = "libx264",
    starts_s: float = 0,
) -> Path:
    """Write frames, 30 a second or at `times` in ticks of 1/30000 s, with a tone in one codec."""
    times = times or [1000 * index for index in range(len(frames))]
    options = {"output_ts_offset": str(starts_s)}
    with av.open(str(path), "w", options=options) as output:
        video = output.add_stream(codec, rate=30, options={"crf": "1"})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = TICK
        if rotation and not hasattr(type(video), "set_display_rotation"):
            pytest.skip(f"PyAV {av.__version__} cannot write a rotation")
        if rotation:
            video.set_display_rotation(rotation)
        track = output.add_stream(sound, rate=SOUND_RATE, layout="mono") if sound else None
        for pixels, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels)
            frame.pts, frame.time_base = time, TICK
            output.mux(video.encode(frame))
        if track:
            _write_tone(output, track, float((times[-1] + 1000) * TICK))
        output.mux(video.encode(None))
    return path


def _write_tone(output, track, seconds: float) -> None:
    phase = np.arange(int(SOUND_RATE * seconds)) * (2 * np.pi * TONE_HZ / SOUND_RATE)
    tone = np.round(np.sin(phase) * 12000).astype(np.int16)[None]
    form = track.codec_context.codec.audio_formats[0]
    resampler = av.AudioResampler(form, "mono", SOUND_RATE, frame_size=1024)
    frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
    for part in (frame, None):
        for piece in resampler.resample(part):
            if piece is not None:
                output.mux(track.encode(piece))
    output.mux(track.encode(None))


def read_clip(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """Frames as RGB and their times in seconds, by PyAV alone."""
    with av.open(str(path)) as clip:
        decoded = list(clip.decode(clip.streams.video[0]))
        return [frame.to_ndarray(format="rgb24") for frame in decoded], [f.time for f in decoded]


def read_alpha(path: Path) -> list[np.ndarray]:
    """Frames as RGBA; the transparency of VP9 needs libvpx's decoder."""
    with av.open(str(path)) as clip:
        stream = clip.streams.video[0]
        if stream.codec_context.name != "vp9":
            return [frame.to_ndarray(format="rgba") for frame in clip.decode(stream)]
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        decoded = [frame for packet in clip.demux(stream) for frame in decoder.decode(packet)]
        return [frame.to_ndarray(format="rgba") for frame in decoded]


def read_sound(path: Path) -> tuple[str, np.ndarray]:
    """Codec of the sound, and its samples as float in [-1, 1], one channel."""
    with av.open(str(path)) as clip:
        stream = clip.streams.audio[0]
        resampler = av.AudioResampler("flt", "mono", SOUND_RATE)
        parts = [
            piece.to_ndarray()[0]
            for frame in clip.decode(stream)
            for piece in resampler.resample(frame)
        ]
        return stream.codec_context.name, np.concatenate(parts)


def pitch_hz(samples: np.ndarray) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * SOUND_RATE / len(samples))
