"""One process that forks the others, restarts what dies and takes all down with it.

Fed by `app.up`; feeds the terminal. It stays single-threaded and opens no event loop, so that it
can fork a child again at any time; all imports happen before the first fork, so that the children
share their pages.
"""

from ostiary.supervisor.children import Child, Supervisor

__all__ = ["Child", "Supervisor"]
