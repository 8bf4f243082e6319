"""Demand forecasting with a small GRU."""
