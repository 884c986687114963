"""The old pipeline's report beside today's, and the rule behind each number that differs."""
