"""The budgets for speed, memory and requests: ``uv run python -m benchmarks`` prints each figure and its budget.

Budgets limit ratios, counts and peak memory, not seconds, so that they hold on any machine.
"""
