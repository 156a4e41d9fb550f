"""Claim: twice the training tokens per second of a plain PyTorch script of the same model, at no worse a perplexity.

Embedding 200, two LSTM layers of 200, about 10,000 words. Both read the same token ids, train for the same minutes
with the same threads, in turns, each in a process of its own, and are scored on every token of the validation text.
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

VOCAB_SIZE = 10_004  # ten thousand words and the four special tokens
SIZES = ("embedding.dim=200", "model.hidden_size=200", "model.num_layers=2", "output.skip_connection=false")
TOKENS = ("tokenizer.kind=word", f"tokenizer.vocab_size={VOCAB_SIZE}")


def find_sources(folder: Path | None) -> Sources:
    """The Penn Treebank files in `folder`, or the book that ships."""
    if folder is None:
        return Sources(str(MOBY_DICK))
    paths = [folder / f"ptb.{split}.txt" for split in ("train", "valid", "test")]
    if missing := [str(path) for path in paths if not path.exists()]:
        raise SystemExit(f"not there: {', '.join(missing)}; without --data, examples/moby_dick.txt is used")
    data, valid, test = map(str, paths)
    return Sources(data, valid, test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with ptb.{train,valid,test}.txt; otherwise Moby Dick")
    parser.add_argument("--minutes", type=float, default=3.0, help="of training, each time")
    parser.add_argument("--rounds", type=int, default=2, help="turns; medians are reported")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one more setting of ours")
    options = parser.parse_args()
    sources = find_sources(options.data)
    corpus = read_corpus(sources, build(TokenizerSettings, {"kind": "word", "vocab_size": VOCAB_SIZE}))
    peer: list[Result] = []
    ours: list[Result] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_ids(corpus, folder)
        for seed in range(1, options.rounds + 1):
            peer.append(run_peer("plain_language_model.py", folder, options.minutes, seed, options.threads))
            settings = [*TOKENS, *SIZES, *options.set]
            summary = run_ours(sources, settings, folder / f"ours-{seed}", options.minutes, seed, options.threads)
            ours.append({**summary, "perplexity": summary["valid"]["perplexity"]})
            assert summary["valid"]["tokens"] == len(corpus.valid), "both are scored on every token once"
            for name, result in (("plain PyTorch", peer[-1]), ("Seqloom", ours[-1])):
                rate, score = result["targets_per_second"], result["perplexity"]
                print(
                    f"round {seed}  {name:<13}  {rate:8,.0f} tokens/s  validation perplexity {score:7.2f}", flush=True
                )
    ratio = median(ours, "targets_per_second") / median(peer, "targets_per_second")
    print(
        f"{ratio:.2f} times the tokens per second; validation perplexity {median(ours, 'perplexity'):.2f} "
        f"against {median(peer, 'perplexity'):.2f} after {options.minutes:g} minutes each"
    )
    write_results(
        "language_model",
        {
            "data": Path(sources.data).name,
            "minutes": options.minutes,
            "machine": machine(options.threads),
            "settings": options.set,
            "tokens_per_second_ratio": ratio,
            "peer": peer,
            "ours": ours,
        },
    )


if __name__ == "__main__":
    main()
