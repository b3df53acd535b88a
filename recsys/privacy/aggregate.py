"""The one object through which an aggregate of a person's log can be had: it checks, charges, draws and keeps.

``Aggregate`` stands on a recommender and works on its file. What it gives is bytes; to send them is the host's.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, final

from recsys import inputs
from recsys.errors import BudgetError, CorruptError, InputError
from recsys.inputs import At
from recsys.privacy.query import Query
from recsys.recommender import Recommender
from recsys.settings import RESOLUTIONS_US

if TYPE_CHECKING:
    from recsys.gate import Gate
    from recsys.log import Store
    from recsys.log.ledger import Entry

__all__ = ["Aggregate", "Charge"]

_MOST_TAGS: Final = 1_000
_MOST_KINDS: Final = 64
_MOST_COUNT: Final = 1_000_000
_MOST_RATIONAL: Final = 2**32  # numerator and denominator of an epsilon or a budget


@dataclass(frozen=True, slots=True, repr=False)
class Charge:
    """One draw of an aggregate, for the person to look at.

    Parameters
    ----------
    number : int
        Of its entry in the ledger; they ascend, with gaps, since the note that a draw was handed out is an entry too.
    query : str
        What was asked, as canonical JSON.
    epsilon : Fraction
        What it cost.
    at_us : int
        When it was drawn, microseconds since 1970-01-01 UTC, as the host's clock had it.
    released_at_us : int, optional
        When it was first handed out for release; None while it was only previewed.
    payload : bytes
        What was drawn: exactly what was or would be handed out.

    Stability: provisional
    """

    number: int
    query: str
    epsilon: Fraction
    at_us: int
    released_at_us: int | None
    payload: bytes

    def __repr__(self) -> str:
        return f"Charge(<redacted>, number={self.number}, epsilon={self.epsilon})"


@final
class Aggregate:
    """A differentially private histogram of one person's log, under a budget that the file keeps.

    Parameters
    ----------
    rec : Recommender
        The person's; stays the host's to close.
    tags : iterable of str
        Which tags to count: 1 to 1,000, distinct, **public**: the same for every person, chosen without looking at
        any log. Every answer has exactly these, in this order; a set, which has none that lasts, is refused. So is
        a tag of the recommender's ``Settings(never_learn=...)``.
    budget : Fraction or int
        What all releases from this file may cost together, for the file's lifetime; 1 when not given. The smallest
        budget under which anything was ever charged holds: a later one can only be smaller.
    most_per_tag, most_in_all : int
        1 to 1,000,000, 10 when not given, public: what a tag, and all tags together, count at most. All are lowered in
        proportion to fit the second, then each to fit the first. More takes more noise, in the same proportion.

    Raises
    ------
    InputError
        When an argument is not usable.

    Notes
    -----
    **What it guarantees.** Whoever holds everything that was ever released from a file, and knows everything else,
    finds it at most ``exp(spent)`` times as likely under the person's log as under *any other log*, an empty one
    among them: local differential privacy, ``spent`` being at most ``budget``. It rests on exact integer noise
    (:mod:`recsys.privacy.noise`) and the proven sensitivity of :class:`recsys.privacy.query.Query`.

    **Charged first.** A draw and its charge are one transaction, which is on the disk before the bytes are returned:
    a crash can cost budget, never save any. The same query with the same epsilon is drawn once and for all: asking
    again is free and gives the same bytes, also after the log has changed. For news ask about a new time.

    **What is never learnt** is not counted either: items with a tag of ``Settings(never_learn=...)``.

    **What is forgotten** stays in what was released: ``forget`` neither gives budget back nor takes an entry out of
    the ledger, which holds public tags and noised counts only.

    Threads and processes may share a file: they share its budget.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from recsys import Recommender
    >>> from recsys.privacy import Aggregate
    >>> with Recommender(":memory:") as rec:
    ...     _ = rec.add([{"id": "kind-of-blue", "tags": ["jazz"]}])
    ...     _ = rec.record("kind-of-blue", at=1_700_000_000)
    ...     aggregate = Aggregate(rec, tags=["jazz", "rock"], budget=1)
    ...     first = aggregate.release(epsilon=Fraction(1, 2))
    ...     assert aggregate.release(epsilon=Fraction(1, 2)) == first
    ...     aggregate.remaining()
    Fraction(1, 2)

    Stability: provisional
    """

    def __init__(
        self,
        rec: Recommender,
        *,
        tags: Iterable[str],
        budget: Fraction | int = Fraction(1),
        most_per_tag: int = 10,
        most_in_all: int = 10,
    ) -> None:
        if not isinstance(rec, Recommender):
            raise InputError("rec: a Recommender is needed", field="rec")
        self._rec = rec
        if isinstance(tags, (set, frozenset)):  # in another order, another question, at every start
            raise InputError("tags: a list is needed, since their order is part of the question", field="tags")
        self._tags = tuple(_some(inputs.texts(tags, "tags", "tag", _MOST_TAGS), "tags"))
        self._never_learnt = frozenset(rec._settings.never_learn)  # noqa: SLF001 - the host's own choice
        if not self._never_learnt.isdisjoint(self._tags):
            raise InputError("tags: one of them is among Settings(never_learn=...)", field="tags")
        self._budget = _rational(budget, "budget")
        self._most_per_tag = inputs.count(most_per_tag, "most_per_tag", 1, _MOST_COUNT)
        self._most_in_all = inputs.count(most_in_all, "most_in_all", 1, _MOST_COUNT)

    def __repr__(self) -> str:
        return f"Aggregate(<redacted>, n_tags={len(self._tags)}, budget={self._budget})"

    def release(
        self,
        *,
        epsilon: Fraction | int,
        kinds: Iterable[str] | None = None,
        since: At = None,
        until: At = None,
        at: At = None,
    ) -> bytes:
        """Give a noised histogram for release, and note that it was handed out. Sends nothing.

        Parameters
        ----------
        epsilon : Fraction or int
            What it may cost; more is more exact. No default: whoever answers for the app chooses it. Floats are
            refused: a budget is kept exactly.
        kinds : iterable of str, optional
            Public. Only events of these kinds; None takes all but slates shown and corrections.
        since, until : datetime or float, optional
            Public. From the first time on, and before the second.
        at : datetime or float, optional
            What to write into the ledger as the time; None: now. Nothing depends on it.

        Returns
        -------
        bytes
            Canonical JSON: ``query`` (with ``tags`` and ``epsilon``), ``counts`` (an integer for each tag, in the
            order of ``tags``; may be negative), ``budget``, ``scale`` of the noise, ``sensitivity``. O(events), in C.

        Raises
        ------
        InputError
            When an argument is not usable.
        BudgetError
            When it would cost more than is left. Nothing was drawn.
        PausedError, ConsentError
            It was not drawn, or not handed out, before, and nothing may be written now. A repeat is a pure read.
        ClosedError, StoreError
            Nothing was handed out.

        Stability: provisional
        """
        return self._drawn(self._query(kinds, since, until, epsilon), inputs.moment_of(at)[0], release=True)

    def preview(
        self,
        *,
        epsilon: Fraction | int,
        kinds: Iterable[str] | None = None,
        since: At = None,
        until: At = None,
        at: At = None,
    ) -> bytes:
        """Give exactly the bytes that ``release`` with the same arguments will give, for the person to look at first.

        It costs what the release costs, which then is free; not to release afterwards gives nothing back. Otherwise
        one could draw again until a draw pleases, or average many, and what is chosen so is not private any more.

        Parameters
        ----------
        epsilon, kinds, since, until, at
            As in :meth:`release`.

        Returns
        -------
        bytes
            As in :meth:`release`, which tells the errors too.

        Stability: provisional
        """
        return self._drawn(self._query(kinds, since, until, epsilon), inputs.moment_of(at)[0], release=False)

    def spent(self) -> Fraction:
        """What was charged to this file so far, whichever object did it. A pure read.

        While consent is withheld, also after a withdrawal, the ledger is not looked at, and this is 0.

        Stability: provisional
        """
        return _spent(self._entries())

    def remaining(self) -> Fraction:
        """What is left of the smallest budget that this file knows of, or that this object was given. A pure read.

        While consent is withheld, also after a withdrawal, the ledger is not looked at, and this is the budget given.

        Stability: provisional
        """
        entries = self._entries()
        return max(Fraction(0), self._allowed(entries) - _spent(entries))

    def history(self) -> list[Charge]:
        """Everything that was drawn from this file, oldest first, handed out or not. A pure read.

        While consent is withheld, also after a withdrawal, the ledger is not looked at, and this is empty; with consent
        it is all there again.

        Stability: provisional
        """
        entries = self._entries()
        released = {entry.query: entry.at_us for entry in entries if not entry.payload}
        return [
            Charge(entry.number, entry.query, entry.epsilon, entry.at_us, released.get(entry.query), entry.payload)
            for entry in entries
            if entry.payload
        ]

    # -- inside ---------------------------------------------------------------------

    def _query(self, kinds: Iterable[str] | None, since: At, until: At, epsilon: Fraction | int) -> Query:
        chosen = None
        if kinds is not None:
            found = _some(inputs.texts(kinds, "kinds", "kind", _MOST_KINDS), "kinds")
            chosen = tuple(sorted(inputs.kind_of(kind) for kind in found))
        since_us, until_us = inputs.span_of(since, until)
        cost = _rational(epsilon, "epsilon")
        return Query(self._tags, self._most_per_tag, self._most_in_all, chosen, since_us, until_us, cost)

    def _drawn(self, query: Query, at_us: int, *, release: bool) -> bytes:
        """The one draw there is of a query: found in the ledger, or made, charged and entered there."""
        payload, noted = _found(self._entries(), query)
        if payload is not None and (noted or not release):
            return payload
        rec = self._rec
        at_us -= at_us % RESOLUTIONS_US[rec._settings.time_resolution]  # noqa: SLF001 - as all that is written there
        gate, store = _inside(rec)
        with gate.writing, store().lasting():  # nobody else can charge in between, nor withdraw
            if rec._settings.require_consent and not store().consents():  # noqa: SLF001
                gate.withheld = True
                gate.require_consent()
            return self._entered(store(), query, at_us, release=release)

    def _entered(self, store: Store, query: Query, at_us: int, *, release: bool) -> bytes:
        entries = store.releases()
        payload, noted = _found(entries, query)
        if payload is None:
            allowed = self._allowed(entries)
            if _spent(entries) + query.epsilon > allowed:
                raise BudgetError("budget: this release would cost more than is left of it")
            tally = store.tally(kinds=query.kinds, since_us=query.since_us, until_us=query.until_us)
            tally = [(tags, n) for tags, n in tally if self._never_learnt.isdisjoint(tags)]
            payload = query.payload(query.answer(tally, secrets.randbits), allowed)
            store.release(query.text, query.epsilon, at_us, payload)
        if release and not noted:
            store.release(query.text, Fraction(0), at_us, b"")
        return payload

    def _entries(self) -> list[Entry]:
        gate, store = _inside(self._rec)
        with gate.reading:
            self._rec._sync()  # noqa: SLF001 - another process may have withdrawn
            return store().releases()

    def _allowed(self, entries: Sequence[Entry]) -> Fraction:
        """The smallest budget of all: the one given here, and those under which something was charged."""
        return min([self._budget, *(_budget_of(entry) for entry in entries if entry.payload)])


def _inside(rec: Recommender) -> tuple[Gate, Callable[[], Store]]:
    """The gate of a recommender, and its log as it is once one is through the gate: consent may exchange it."""
    return rec._gate, lambda: rec._store  # noqa: SLF001 - no public call gives out a tally or the ledger, and none should


def _found(entries: Sequence[Entry], query: Query) -> tuple[bytes | None, bool]:
    """What was drawn for a query, if it was, and whether it was noted that it was handed out."""
    of_it = [entry.payload for entry in entries if entry.query == query.text]
    return next(filter(None, of_it), None), b"" in of_it


def _spent(entries: Sequence[Entry]) -> Fraction:
    return sum((entry.epsilon for entry in entries), Fraction(0))


def _budget_of(entry: Entry) -> Fraction:
    try:
        numerator, denominator = json.loads(entry.payload)["budget"].split("/")
        return Fraction(int(numerator), int(denominator))
    except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError, RecursionError):
        raise CorruptError("an entry of the ledger of releases is damaged: restore a copy of the file") from None


def _rational(value: object, field: str) -> Fraction:
    """Check a positive rational: a Fraction or an int, and neither a bool nor a float."""
    if isinstance(value, bool) or not isinstance(value, (Fraction, int)):
        raise InputError(f"{field}: a Fraction or an int is needed, as Fraction(1, 2)", field=field)
    found = Fraction(int(value.numerator), int(value.denominator))
    if not (found > 0 and max(found.numerator, found.denominator) <= _MOST_RATIONAL):
        raise InputError(f"{field}: must be positive, numerator and denominator at most 2**32", field=field)
    return found


def _some(values: list[str], field: str) -> list[str]:
    if not values:
        raise InputError(f"{field}: at least one is needed", field=field)
    return values
