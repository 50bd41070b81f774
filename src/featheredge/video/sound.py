"""The sound of an output video: packets are copied, or decoded and encoded for the container."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from featheredge.video.containers import Container

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler, AudioStream, Packet
    from av.container import OutputContainer

#: Samples per second of Opus, which knows few other rates.
_OPUS_RATE = 48000


class SoundTrack:
    """A sound track of an output file.

    Attributes:
        how: Whether packets are copied or encoded again.
    """

    how: Literal["copied", "re-encoded"]

    def __init__(
        self, output: "OutputContainer", source: "AudioStream", container: Container
    ) -> None:
        self._output, self._source = output, source
        codec = source.codec_context.name
        allowed = output.supported_codecs if container.copied is None else container.copied
        self._resampler: AudioResampler | None = None
        if codec in allowed:
            self.how, self._stream = "copied", output.add_stream_from_template(source)
        else:
            self.how, self._stream = "re-encoded", self._add_encoder(container.sound)

    def write(self, packet: "Packet[AudioStream]") -> None:
        """Write a packet of the source."""
        if self.how == "copied":
            if packet.dts is not None:  # None marks the end
                packet.stream = self._stream
                self._output.mux(packet)
            return
        for decoded in packet.decode():
            self._encode(decoded)

    def close(self) -> None:
        """Write what the encoder still holds."""
        if self.how == "re-encoded":
            self._encode(None)
            self._output.mux(self._stream.encode(None))

    def _add_encoder(self, codec: str) -> "AudioStream":
        from av import AudioResampler, AudioStream

        source = self._source.codec_context
        rate = _OPUS_RATE if codec == "libopus" else source.sample_rate
        layout = "mono" if source.layout.nb_channels == 1 else "stereo"
        stream = self._output.add_stream(codec, rate=rate)
        assert isinstance(stream, AudioStream)
        formats = stream.codec_context.codec.audio_formats
        assert formats
        stream.codec_context.format, stream.codec_context.layout = formats[0], layout
        stream.codec_context.open(strict=False)
        size = stream.codec_context.frame_size or None
        self._resampler = AudioResampler(formats[0], layout, rate, frame_size=size)
        return stream

    def _encode(self, decoded: "AudioFrame | None") -> None:
        for frame in self._resampled(decoded):
            self._output.mux(self._stream.encode(frame))

    def _resampled(self, decoded: "AudioFrame | None") -> "Iterator[AudioFrame]":
        assert self._resampler is not None
        yield from (frame for frame in self._resampler.resample(decoded) if frame is not None)
