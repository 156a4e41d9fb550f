"""Forecasting: a year of airline passengers, by closed-form autoregressions and by last year's values."""

from pathlib import Path

import seqloom

passengers = Path(__file__).parents[1] / "airline.csv"
for model in ("seasonal-naive", "ar"):
    run = seqloom.train("forecast", passengers, model=model, out=f"runs/{model}", settings={"data.horizon": 12})
    print(f"{model} MASE {run.summary['test']['mase']:.3f}")
print([round(row.mean) for row in run.forecast()])
