"""Listening to sound as it comes, with a network that reads forward."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from seqloom.data.sound.log_mel import LogMelSettings
from seqloom.data.sound.sound_file import resampled_stream
from seqloom.models.transcriber import Transcriber
from seqloom_portable.frame_pipeline import FramePipeline
from seqloom_portable.listening import Listener
from seqloom_portable.log_mel import Frames, LogMel
from seqloom_portable.transcripts import CtcDecoder, LogProbs


def listener_of(
    model: Transcriber, features: LogMelSettings, pipeline: FramePipeline, decoder: CtcDecoder, rate: int
) -> Listener:
    """`rate`: of the sound that will come, in samples per second."""

    @torch.inference_mode()
    def step(frames: Frames, state: Any) -> tuple[LogProbs, Any]:
        on_device = torch.from_numpy(np.ascontiguousarray(frames))[None].to(model.output.weight.device)
        outputs, state = model.step(on_device, state)
        return outputs[0].cpu().numpy(), state

    resampler = resampled_stream(rate, features.rate)
    return Listener(step, model.initial_state(1), resampler, LogMel(features), pipeline, decoder)
