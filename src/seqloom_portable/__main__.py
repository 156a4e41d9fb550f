"""The command line: reads lines, writes one answer for each in the same order."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.errors import PortableError
from seqloom_portable.listening import Heard
from seqloom_portable.loading import load
from seqloom_portable.sound_stream import SoundStream

_LINES_AT_ONCE = 1_000
_ACTIONS = ["predict", "score", "generate", "embed", "forecast", "listen", "verify"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="seqloom-portable", description="Runs a model that Seqloom exported.")
    parser.add_argument("folder", metavar="FOLDER", help="a folder that seqloom export --to onnx wrote")
    parser.add_argument("what", choices=_ACTIONS, help="what to do")
    parser.add_argument("--prompt", default="", help="generate: the text to continue")
    parser.add_argument("--max-tokens", type=int, default=200, help="generate: the largest number of tokens")
    parser.add_argument("--temperature", type=float, default=0.8, help="generate: 0 takes the most probable token")
    parser.add_argument("--seed", type=int, default=1, help="generate: the same seed generates the same text")
    parser.add_argument(
        "--beam-size", type=int, help="predict with a translator, describer or transcriber: hypotheses of the beam"
    )
    parser.add_argument("--horizon", type=int, help="forecast: steps ahead; without it, as in training")
    parser.add_argument(
        "--rate", type=int, default=0, help="listen: of 16-bit samples on standard input; a WAV stream says its own"
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    try:
        _run(options)
    except PortableError as error:
        print(f"seqloom-portable: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)


def _run(options: argparse.Namespace) -> None:
    model = load(options.folder, options.threads)
    if options.what == "verify":  # loading has compared every file with its checksum
        print("whole")
    elif options.what == "listen":
        _listen(model, options.rate)
    elif options.what == "generate":
        options_of_text = {"max_tokens": options.max_tokens, "temperature": options.temperature, "seed": options.seed}
        for piece in _able(model, "generate")(options.prompt, **options_of_text):
            print(piece, end="", flush=True)
        print()
    else:
        for line in _answers(model, options):
            print(line)


def _listen(model: Any, rate: int) -> None:
    """Prints each utterance on standard input when it has ended."""
    listen = _able(model, "listen")
    sound = SoundStream(sys.stdin.buffer, rate or model.rate)
    listener = listen(sound.rate)
    for samples in sound:
        _print_utterances(listener.push(samples))
    _print_utterances(listener.finish())


def _print_utterances(heard: Heard) -> None:
    for transcript in heard.utterances:
        print(transcript.text, flush=True)


def _answers(model: Any, options: argparse.Namespace) -> Iterator[str]:
    answer = _able(model, options.what)
    read: Callable[[str, int], Any] = _text
    if getattr(model, "reads_numbers", False):
        read = _numbers
    elif options.what == "score" and getattr(model, "scores_pairs", False):
        read = _pair
    inputs = _sequences() if getattr(model, "reads_steps", False) else _lines(read)
    while block := list(itertools.islice(inputs, _LINES_AT_ONCE)):
        if options.what == "forecast":
            for values in block:
                yield "\t".join(f"{value:.6g}" for value in answer(values, horizon=options.horizon).point)
        elif options.what == "predict":
            yield from answer(block, **_search_options(model, options.beam_size))
        elif options.what == "score":
            yield from (f"{score.log_prob:.4f}" for score in answer(block))
        else:
            yield from ("\t".join(f"{number:.6g}" for number in row) for row in answer(block))


def _lines(read: Callable[[str, int], Any]) -> Iterator[Any]:
    return (read(line.rstrip("\r\n"), number) for number, line in enumerate(sys.stdin, 1))


def _sequences() -> Iterator[list[NDArray[np.float64]]]:
    """Sequences of steps: the numbers of a step on a line, and an empty line after each sequence."""
    steps: list[NDArray[np.float64]] = []
    for numbers in _lines(_numbers):
        if len(numbers):
            steps.append(numbers)
        elif steps:
            yield steps
            steps = []
    if steps:
        yield steps


def _search_options(model: Any, beam_size: int | None) -> dict[str, int]:
    if beam_size is None:
        return {}
    if not getattr(model, "has_beam", False):
        raise PortableError(
            f"--beam-size is for translators, describers and transcribers; the model is a {type(model).__name__}"
        )
    return {"beam_size": beam_size}


def _text(line: str, number: int) -> str:  # noqa: ARG001
    return line.strip()


def _pair(line: str, number: int) -> tuple[str, str]:
    """The source and the target of a line, separated by a tab."""
    source, tab, target = line.partition("\t")
    if not tab:
        raise PortableError(f"line {number} of standard input has no tab between source and target: {line[:60]!r}")
    return source.strip(), target.strip()


def _numbers(line: str, number: int) -> NDArray[np.float64]:
    """The numbers of a line, separated by commas or whitespace."""
    try:
        return np.array(line.replace(",", " ").split(), np.float64)
    except ValueError:
        raise PortableError(
            f"line {number} of standard input holds something that is no number: {line[:60]!r}"
        ) from None


def _able(model: Any, what: str) -> Callable[..., Any]:
    method: Callable[..., Any] | None = getattr(model, what, None)
    if method is None:
        raise PortableError(f"a {type(model).__name__} cannot {what}")
    return method


if __name__ == "__main__":
    main()
