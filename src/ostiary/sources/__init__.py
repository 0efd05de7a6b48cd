"""Where documents come from: files and folders, read off the event loop and watched."""
