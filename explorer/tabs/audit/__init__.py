"""The tab Audit: one or two classifiers against whole splits, and the causal test of the pots."""
