"""The engine of `mmdata.validate`: from a data set's plan to findings, its fast paths, repairs and baselines."""
