"""The order of verdicts against a list: whatever happens, a guard that follows has the same table.

Two stores on one file write in turns, guards follow with deltas or snapshots, and processes start
again.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ostiary.store.database import Database
from ostiary.store.verdicts import KEPT, Verdicts
from ostiary.trust.verdict import Effect, Kind, Verdict

sqlite_only = True
START = 1_800_000_000.0
NUMBERS = st.integers(0, 5)


class Following(RuleBasedStateMachine):
    """What holds is `held`; a guard has `table`, up to `applied`."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="ostiary-model-")
        self.now = START
        self.held: dict[UUID, Verdict] = {}
        self.table: dict[UUID, Verdict] = {}
        self.applied, self.seq, self.epoch = 0, 0, ""
        self.open()

    def open(self) -> None:
        self.databases = [Database.in_folder(Path(self.folder.name)) for _ in range(2)]
        self.databases[0].create()
        self.stores = [Verdicts(one) for one in self.databases]

    @rule(number=NUMBERS, effect=st.sampled_from([Effect.DENY, Effect.STEP_UP]), who=st.booleans())
    def put(self, number: int, effect: Effect, *, who: bool) -> None:
        one = Verdict(UUID(int=number), Kind.USER, str(number), effect, "r", "s", START)
        same = self.held.get(one.id) == one
        self.learn(self.stores[who].put([one], "a", "", self.now), same=same)
        self.held[one.id] = one

    @rule(number=NUMBERS, seconds=st.integers(1, 100), who=st.booleans())
    def put_for_a_while(self, number: int, seconds: int, *, who: bool) -> None:
        ends = self.now + seconds
        one = Verdict(UUID(int=number), Kind.USER, str(number), Effect.DENY, "r", "s", START, ends)
        same = self.held.get(one.id) == one
        self.learn(self.stores[who].put([one], "a", "", self.now), same=same)
        self.held[one.id] = one

    @rule(number=NUMBERS, who=st.booleans())
    def lift(self, number: int, *, who: bool) -> None:
        if UUID(int=number) in self.held:
            self.learn(self.stores[who].lift([UUID(int=number)], "a", "", self.now), same=False)
            del self.held[UUID(int=number)]

    @rule(seconds=st.sampled_from([1, 50, KEPT + 1]), who=st.booleans())
    def time_goes_by(self, seconds: float, *, who: bool) -> None:
        self.now += seconds
        over = [one.id for one in self.held.values() if not one.holds(self.now)]
        assert self.stores[who].expire(self.now) is bool(over)
        for one in over:
            del self.held[one]
        self.seq += len(over)

    @rule()
    def start_again(self) -> None:
        for one in self.databases:
            one.close()
        self.open()

    @rule(who=st.booleans())
    def follow(self, *, who: bool) -> None:
        store = self.stores[who]
        order = store.order()
        if order.epoch != self.epoch or self.applied < order.forgotten:
            order, whole = store.snapshot()
            self.table = {one.id: one for one in whole}
        else:
            changes = store.since(self.applied, 1000)
            assert [one.seq for one in changes] == sorted({one.seq for one in changes})
            for change in changes:
                if change.lifted:
                    self.table.pop(change.verdict.id, None)
                else:
                    self.table[change.verdict.id] = change.verdict
        self.epoch, self.applied = order.epoch, order.seq
        assert self.table == self.held

    @invariant()
    def the_number_says_how_much_happened(self) -> None:
        assert self.stores[0].order() == self.stores[1].order()
        assert self.stores[0].order().seq == self.seq

    def learn(self, seq: int, *, same: bool) -> None:
        self.seq += not same
        assert seq <= self.seq if same else seq == self.seq

    def teardown(self) -> None:
        for one in self.databases:
            one.close()
        self.folder.cleanup()


Following.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestFollowing = Following.TestCase
