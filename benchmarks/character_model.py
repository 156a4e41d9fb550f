"""Claim: on a book, in the same minutes, our LSTM predicts characters better than the usual small Transformer script.

Both read the same ids of Moby Dick, in turns, each in a process of its own with the same threads. Bits a character of
the whole validation text, line ends included; the Transformer gets a window of its full block for every 16 characters.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from peers.race import MOBY_DICK, Result, machine, median, read_corpus, run_ours, run_peer, write_ids, write_results
from seqloom.config import build
from seqloom.data.corpus import Sources
from seqloom.data.tokenizer import TokenizerSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=MOBY_DICK, help="a text; otherwise Moby Dick")
    parser.add_argument("--minutes", type=float, default=3.0, help="of training, each time")
    parser.add_argument("--rounds", type=int, default=1, help="turns; medians are reported")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one more setting of ours")
    options = parser.parse_args()
    sources = Sources(str(options.data))
    corpus = read_corpus(sources, build(TokenizerSettings, {"kind": "character"}))
    peer: list[Result] = []
    ours: list[Result] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_ids(corpus, folder)
        for seed in range(1, options.rounds + 1):
            peer.append(run_peer("plain_character_transformer.py", folder, options.minutes, seed, options.threads))
            settings = ["tokenizer.kind=character", *options.set]
            summary = run_ours(sources, settings, folder / f"ours-{seed}", options.minutes, seed, options.threads)
            ours.append({**summary, "bits_per_character": summary["valid"]["bits_per_token"]})
            assert summary["valid"]["tokens"] == len(corpus.valid), "both are scored on every character once"
            for name, result in (("plain Transformer", peer[-1]), ("Seqloom lstm", ours[-1])):
                rate, score = result["targets_per_second"], result["bits_per_character"]
                print(
                    f"round {seed}  {name:<17}  {rate:9,.0f} characters/s  {score:.4f} bits per character", flush=True
                )
    ratio = median(ours, "bits_per_character") / median(peer, "bits_per_character")
    print(
        f"{median(ours, 'bits_per_character'):.4f} bits per character against {median(peer, 'bits_per_character'):.4f} "
        f"after {options.minutes:g} minutes each: {ratio:.3f} times"
    )
    write_results(
        "character_model",
        {
            "data": options.data.name,
            "minutes": options.minutes,
            "machine": machine(options.threads),
            "settings": options.set,
            "bits_per_character_ratio": ratio,
            "peer": peer,
            "ours": ours,
        },
    )


if __name__ == "__main__":
    main()
