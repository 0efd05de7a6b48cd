"""The application that `ostiary demo` protects, and the document that protects it."""
