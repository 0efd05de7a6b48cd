"""The admin HTTP API: how an operator and the command line talk to the control plane."""

from ostiary.api.ports import ControlPlane
from ostiary.api.server import run_api

__all__ = ["ControlPlane", "run_api"]
