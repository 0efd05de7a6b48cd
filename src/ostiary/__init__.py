"""Ostiary: a zero-trust gateway and mesh. Python decides, stock Envoy enforces."""

__version__ = "0.1.0"
