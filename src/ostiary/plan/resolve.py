"""Document in, plan out: the meaning of everything that was written, or all faults at once.

Fed by `language.read`; feeds the compiler. The finding-out is done by `study`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from ostiary.errors import ConfigError, Faults
from ostiary.language.document import Document
from ostiary.plan.first_start import first_start
from ostiary.plan.model import Plan
from ostiary.plan.rule_book import RuleBook
from ostiary.plan.study import Student, Study


class Resolver:
    """Resolves one document after another; remembers what did not change.

    Without a `guard` in the installation, what needs one is a fault; `book` reads rules for it.
    """

    def __init__(self, *, guard: bool = False, book: RuleBook | None = None) -> None:
        self._guard = guard
        self._book = book
        self._student = Student(guard=guard, book=book)

    def resolve(self, document: Document, today: date = date.min, *, saved: bool = True) -> Plan:
        """The plan of `document` on the day `today` (UTC). Raises `Faults` with every fault.

        What was over before today is a fault where somebody has just `saved` it; in a document that
        is served already it holds no longer, and is told.
        """
        study = self._study(document, today)
        faults = (*study.faults, *study.outdated) if saved else study.faults
        if faults:
            raise Faults(faults)
        told = tuple(f"{one.place}: {one.message}" for one in study.outdated)
        return replace(study.plan, warnings=(*told, *study.plan.warnings)) if told else study.plan

    def resolve_first(
        self, document: Document, today: date = date.min
    ) -> tuple[Plan, tuple[ConfigError, ...]]:
        """For a first start with nothing accepted: the plan with what is faulty closed.

        `document` was read leniently. Raises `Faults` when nothing can be served safely.
        """
        study = self._study(document, today)
        return first_start(document, study), study.faults

    def _study(self, document: Document, today: date) -> Study:
        # Whoever did not come to the end is not asked again: it remembers half of a document.
        student = self._student
        self._student = Student(guard=self._guard, book=self._book)
        study = student.study(document, today)
        self._student = student
        return study


def resolve(document: Document) -> Plan:
    """The plan of `document`. Raises `Faults` with every fault there is."""
    return Resolver().resolve(document)
