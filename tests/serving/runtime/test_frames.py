"""The wire: whatever the pieces it arrives in, frames come out as they went in."""

import random

import pytest

from serving.runtime import frames
from serving.runtime.frames import FrameDecoder, FrameError, encode


def test_frames_survive_any_cut():
    chance = random.Random(4)  # noqa: S311
    sent = [
        (kind, number, chance.randbytes(chance.choice([0, 3, 40])), chance.randbytes(chance.choice([0, 1, 5000])))
        for number, kind in enumerate([frames.PREDICT, frames.ANSWER, frames.CHUNK, frames.END] * 5)
    ]
    wire = b"".join(
        encode(kind, call, head, body, status=200, model_us=7, queue_us=9) for kind, call, head, body in sent
    )
    for step in (1, 7, 21, 4096, len(wire)):
        decoder, got = FrameDecoder(), []
        for start in range(0, len(wire), step):
            got += decoder.feed(wire[start : start + step])
        assert [(frame.kind, frame.call, frame.head, frame.body) for frame in got] == sent
        assert {(frame.status, frame.model_us, frame.queue_us) for frame in got} == {(200, 7, 9)}


@pytest.mark.parametrize("wire", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00\x00\x00\x01" + b"\x01" * 30])
def test_anything_else_is_no_frame(wire):
    with pytest.raises(FrameError):
        FrameDecoder().feed(wire)


def test_a_frame_beyond_the_limit_is_not_sent():
    with pytest.raises(FrameError):
        frames.encode_header(frames.ANSWER, 1, b"", frames.MAX_FRAME_BYTES)


def test_times_beyond_the_field_are_cut():
    frame = FrameDecoder().feed(encode(frames.ANSWER, 1, model_us=10**12))[0]
    assert frame.model_us == 2**32 - 1
