"""A route with many structured rules, of which a request of ours matches the last."""

from __future__ import annotations

from _ostiary import HOST


def rules(count: int) -> str:
    """`count` rules that cannot be joined: each has its own group, path and methods."""
    lines = [
        f'      - allow: {{name: "team {number}", groups: [team-{number}], '
        f'methods: [GET, POST], paths: ["/team-{number}/*"]}}'
        for number in range(count)
    ]
    return "\n".join(lines)


def document(port: int, count: int) -> str:
    """A login route to the application on `port`, with `count` rules."""
    return (
        f'services: {{app: {{at: ["127.0.0.1:{port}"]}}}}\n'
        f"routes:\n  app:\n    host: {HOST}\n    to: app\n    login: true\n"
        f"    access:\n{rules(count)}\n"
    )


def last(count: int) -> tuple[str, list[str]]:
    """Path and groups of a request that matches the last of `count` rules, and no other."""
    return f"/team-{count - 1}/page", [f"team-{count - 1}"]
