"""Document in, plan out: the meaning of everything that was written, or all faults at once.

Fed by `language.read`; feeds the compiler. The finding-out is done by `study`.
"""

from __future__ import annotations

from ostiary.errors import ConfigError, Faults
from ostiary.language.document import Document
from ostiary.plan.first_start import first_start
from ostiary.plan.model import Plan
from ostiary.plan.study import Student, Study


class Resolver:
    """Resolves one document after another; remembers what did not change.

    Without a `guard` in the installation, what needs one is a fault.
    """

    def __init__(self, *, guard: bool = False) -> None:
        self._guard = guard
        self._student = Student(guard=guard)

    def resolve(self, document: Document) -> Plan:
        """The plan of `document`. Raises `Faults` with every fault there is."""
        study = self._study(document)
        if study.faults:
            raise Faults(study.faults)
        return study.plan

    def resolve_first(self, document: Document) -> tuple[Plan, tuple[ConfigError, ...]]:
        """For a first start with nothing accepted: the plan with what is faulty closed.

        `document` was read leniently. Raises `Faults` when nothing can be served safely.
        """
        study = self._study(document)
        return first_start(document, study), study.faults

    def _study(self, document: Document) -> Study:
        # Whoever did not come to the end is not asked again: it remembers half of a document.
        student, self._student = self._student, Student(guard=self._guard)
        study = student.study(document)
        self._student = student
        return study


def resolve(document: Document) -> Plan:
    """The plan of `document`. Raises `Faults` with every fault there is."""
    return Resolver().resolve(document)
