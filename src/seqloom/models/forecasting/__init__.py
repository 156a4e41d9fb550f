"""Forecasting models: naive ones, autoregression and ridge regression in closed form, networks over windows."""
