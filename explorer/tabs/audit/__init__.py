"""The tab Audit: one or two classifiers on whole splits, and the causal test with repainted pots."""
