"""The agent beside one Envoy: gives it an identity, a way to the control plane, and a life.

Fed by `app` with plain arguments and two factories; feeds Envoy through files and sockets in the
proxy's own folder, and `app` with events.
"""
