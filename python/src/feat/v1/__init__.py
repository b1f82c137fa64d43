"""The messages and stubs of `feat.v1`, generated from `proto/` by `python/generate`."""
