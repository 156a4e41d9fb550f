"""Transcripts as a page: error rates by length and speaker, and the worst recordings with player and spectrogram."""

from __future__ import annotations

import base64
import difflib
import io
import struct
import wave
import zlib
from collections.abc import Sequence
from html import escape

import numpy as np

from seqloom.charts.page import Page
from seqloom.data.example import Frames
from seqloom.data.sound.sound_file import Sound
from seqloom.explain.score_tiles import TILES_STYLE, score_tiles
from seqloom.metrics.transcription import TranscriptScores, TranscriptStudy, WrongTranscript

_LONGEST_SECONDS = 30.0
"""Of a recording on the page; the rest of a longer one is left out."""

_STYLE = """
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; margin-top: .75rem }
th, td { padding: .38rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap }
th { font-weight: 600; color: var(--soft); font-size: .8rem }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
.recording { border-top: 1px solid var(--rule); padding: 1rem 0 .5rem } .recording p { overflow-wrap: anywhere }
.recording audio { width: 100%; height: 2.2rem; margin: .5rem 0 }
.picture { background: var(--tint); border-radius: 4px; overflow: hidden }
.picture img { display: block; width: 100%; height: 6rem; image-rendering: pixelated }
.words { position: relative; height: 1.6rem; font-size: .8rem }
.words span { position: absolute; top: .1rem; border-left: 2px solid var(--c0); padding-left: .25rem;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.missing { color: var(--c2); font-weight: 600 } .wrong { color: var(--c1); font-weight: 600 }
.kind { display: inline-block; min-width: 5.5rem; color: var(--soft); font-size: .85rem }
@media print { audio { display: none } .recording { break-inside: avoid } }
"""


def transcripts_page(study: TranscriptStudy, title: str, about: str = "") -> Page:
    """The page. Everything in it is escaped; it loads nothing from anywhere. `about` is a line below the title."""
    parts = [
        f'<h1>{escape(title)}</h1><p class="soft">{escape(about)}</p>',
        _scores(study.scores),
        _groups("By length", study.by_length),
        _groups("By speaker", study.by_speaker),
        _recordings(study.worst),
    ]
    return Page(title, "\n".join(part for part in parts if part), [], TILES_STYLE + _STYLE)


def _scores(scores: TranscriptScores) -> str:
    tiles = {
        "word error rate": f"{scores.word_error_rate:.1%}",
        "character error rate": f"{scores.character_error_rate:.1%}",
        "without an error": f"{scores.exact_match:.1%}",
        "recordings": f"{scores.recordings:,}",
    }
    return score_tiles(tiles)


def _groups(title: str, rows: Sequence[TranscriptScores]) -> str:
    if len(rows) < 2:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("", "recordings", "word errors", "character errors", "exact"))
    body = "".join(
        f"<tr><td>{escape(row.group)}</td><td>{row.recordings:,}</td><td>{row.word_error_rate:.1%}</td>"
        f"<td>{row.character_error_rate:.1%}</td><td>{row.exact_match:.1%}</td></tr>"
        for row in rows
    )
    return f'<h2>{title}</h2><div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _recordings(worst: Sequence[WrongTranscript]) -> str:
    if not worst:
        return "<h2>Worst recordings</h2><p>No recording has an error.</p>"
    shown = "".join(map(_recording, worst))
    return f"""<h2>Worst recordings</h2>
<p class="soft">Those with the most word errors. Under each spectrogram (low tones at the bottom) are the words that
were heard, where they were heard. Some may be mistakes of the data.</p>
{shown}"""


def _recording(wrong: WrongTranscript) -> str:
    expected, heard = _differences(wrong.reference.split(), wrong.transcript.text.split())
    speaker = f" · {escape(wrong.speaker)}" if wrong.speaker else ""
    return f"""<div class="recording">
<p class="soft">{escape(wrong.name)}{speaker} · {wrong.sound.seconds:.1f} s · {wrong.edits} word
error{"" if wrong.edits == 1 else "s"}</p>
<p><span class="kind">expected</span>{expected or "<i>nothing</i>"}</p>
<p><span class="kind">heard</span>{heard or "<i>nothing</i>"}</p>
<audio controls preload="metadata" src="{_wav(wrong.sound)}"></audio>
<div class="picture"><img alt="Spectrogram of {escape(wrong.name)}" src="{_spectrogram(wrong.log_mel)}"></div>
<div class="words">{_words(wrong)}</div></div>
"""


def _differences(expected: Sequence[str], heard: Sequence[str]) -> tuple[str, str]:
    """Both as HTML, what differs marked."""
    left, right = [], []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, expected, heard, autojunk=False).get_opcodes():
        same = kind == "equal"
        left += [escape(word) if same else f'<span class="missing">{escape(word)}</span>' for word in expected[a:b]]
        right += [escape(word) if same else f'<span class="wrong">{escape(word)}</span>' for word in heard[c:d]]
    return " ".join(left), " ".join(right)


def _words(wrong: WrongTranscript) -> str:
    seconds = min(wrong.sound.seconds, _LONGEST_SECONDS)
    parts = []
    for word in wrong.transcript.words:
        if word.start < seconds:
            width = max(min(word.end, seconds) - word.start, 0.0) / seconds
            place = f"left:{word.start / seconds:.2%};min-width:{width:.2%}"
            about = f"{word.start:.2f} to {word.end:.2f} s, confidence {word.confidence:.0%}"
            parts.append(f'<span style="{place}" title="{about}">{escape(word.text)}</span>')
    return "".join(parts)


def _wav(sound: Sound) -> str:
    """As 16-bit samples in a `data:` address."""
    samples = sound.samples[: int(_LONGEST_SECONDS * sound.rate)]
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.rate)
        file.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return "data:audio/wav;base64," + base64.b64encode(stream.getvalue()).decode()


def _spectrogram(log_mel: Frames) -> str:
    """A PNG in one colour, its energy as opacity, so that it can be read on light and on dark."""
    quiet, loud = np.quantile(log_mel, [0.1, 0.995])
    opacity = np.clip((log_mel - quiet) / max(float(loud - quiet), 1e-3), 0, 1)
    most = int(_LONGEST_SECONDS * 100)
    picture = np.empty((log_mel.shape[1], min(len(log_mel), most), 4), np.uint8)
    picture[..., :3] = (56, 122, 252)
    picture[..., 3] = (opacity[:most].T[::-1] * 255).astype(np.uint8)
    return "data:image/png;base64," + base64.b64encode(_png(picture)).decode()


def _png(pixels: np.ndarray) -> bytes:
    """(height, width, 4) red, green, blue and opacity, as the bytes of a PNG file (ISO 15948)."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
