"""Sign-in: the sign-in host, our paths on application hosts, and the slow path of the proxies.

A process of its own. It needs the store and its key, never the control plane. Fed by proxies over
mutual TLS; feeds browsers with pages and cookies, proxies with verdicts. Start it with
`server.run_login`.
"""
