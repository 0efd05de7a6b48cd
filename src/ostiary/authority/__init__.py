"""The authority: issues and renews certificates, serves them as secrets, lets proxies enrol.

Fed by `store` (sealed roots) and `app` (what is to be served, what a proxy may see); feeds Envoy
(SDS), the gRPC and HTTP servers of ours, and the agents in `proxy`.
"""
