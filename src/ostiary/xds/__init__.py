"""Delta ADS: leads every proxy to its view of the newest revision, in an order that breaks nothing.

`server` is the face; `stream` the order of one connection, `subscription` the protocol of one
type, `desired` what a proxy ought to hold, `quarantine` what replaces what Envoy refused.
Fed by `app` with `compiler.resources`; feeds Envoy and `Reports`.
"""
