"""Spoken commands: ten digits by two speakers, 200 recordings (pip install 'seqloom[sound,baselines]')."""

from pathlib import Path

import seqloom

recordings = Path(__file__).parent / "digits.zip"
for model in ("svm", "bigru"):
    run = seqloom.train("transcribe", recordings, model=model, epochs=40, out=f"runs/{model}")
    print(f"{model} word error rate {run.summary['test']['word_error_rate']:.3f}")
