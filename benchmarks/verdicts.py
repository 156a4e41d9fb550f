"""Whether `compare` finds what is known: `python benchmarks/verdicts.py [WORLD ...]`, all worlds without names.

Each world is drawn 20 times, and compared with three seeds: about 20 minutes on one core for all. What each draw said
is written to benchmarks/results/verdicts.json as soon as it is known; a world that was stopped continues where it was,
and one that is finished starts anew.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from questions.known_answers import DRAWS, WORLDS

RESULTS = Path(__file__).resolve().parent / "results" / "verdicts.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="WORLD", help=", ".join(WORLDS))
    options = parser.parse_args()
    if unknown := set(options.names) - set(WORLDS):
        parser.error(f"no world named {', '.join(sorted(unknown))}; there are {', '.join(WORLDS)}")
    torch.set_num_threads(1)
    for name in options.names or WORLDS:
        draw_world(name)


def draw_world(name: str) -> None:
    world = WORLDS[name]
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    draws: list[dict[str, Any]] = results.get(name, {}).get("draws", [])
    draws = [] if len(draws) >= DRAWS else draws
    for draw in range(len(draws), DRAWS):
        start = time.process_time()
        with tempfile.TemporaryDirectory(prefix="seqloom-verdicts-") as folder:
            report = world.report(draw, Path(folder))
        seconds = round(time.process_time() - start, 1)
        draws.append({"right": world.is_right(report), "verdict": report["verdict"], "processor_seconds": seconds})
        right = sum(each["right"] for each in draws)
        results[name] = {"data": world.data, "answer": world.answer, "right": right, "draws": draws}
        ordered = {known: results[known] for known in WORLDS if known in results}
        RESULTS.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{name}, draw {draw}: {'right' if draws[-1]['right'] else 'WRONG'}, {seconds} s", flush=True)


if __name__ == "__main__":
    main()
