"""The companion package of *Large Models for Founders*: models, data, training and statistics."""

__version__ = "0.1.0"
