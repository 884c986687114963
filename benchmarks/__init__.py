"""Keeps the promises on speed, memory and requests: ``uv run python -m benchmarks`` prints each figure and its budget.

Figures are ratios within one run, counts and peak memory, never seconds: they hold on any machine.
"""
