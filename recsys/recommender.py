"""The one object a host holds: it checks, locks and delegates.

``Recommender`` keeps a person's log in one file (:mod:`recsys.log`), what was
learnt from it in memory (:mod:`recsys.learn`), and answers from that
(:mod:`recsys.rank`). It has no threads, timers or network of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, final

from recsys import inputs
from recsys.duties import Duties
from recsys.errors import InputError, StoreError
from recsys.inputs import At, EventLike, ItemLike
from recsys.keeping import asked_once
from recsys.prior import Prior
from recsys.rank.candidates import given
from recsys.rank.slate import Question, explanation, slate
from recsys.rank.start import embedder_of, start_of
from recsys.settings import Settings
from recsys.types import Context, Event, Item, Slate, Wanted

if TYPE_CHECKING:
    from recsys.learn.content import Embed
    from recsys.log import Store
    from recsys.log.deletion import Deleted
    from recsys.prior import Pack
    from recsys.rank.candidates import Pool
    from recsys.rank.grown import Grown
    from recsys.rank.rules import Rules
    from recsys.reports import Counterfactual, Evaluation, Explanation, Finding, Profile, Receipt, Stats

__all__ = ["Recommender"]

_EXPLAINED_EVENTS = 100


@final
class Recommender(Duties):
    """A recommender for one person, in one file.

    Parameters
    ----------
    path : str or os.PathLike
        The file; made with mode 0600 when absent. ``":memory:"`` keeps everything in memory.
    key : bytes or callable, optional
        32 random bytes with which everything in the file is encrypted, or a callable that returns them; needs
        the extra ``encrypted``. None: the file is plain. A lost key cannot be replaced.
    settings : Settings, optional
        None takes the defaults.
    prior : Prior or Pack or str or os.PathLike, optional
        Where the model starts; a path is read as a prior's JSON file or as a prior pack. None takes the prior that
        ships with recsys. A pack also tells what people do with the app's items; that is added to the scores.

    embedder : callable, optional
        ``embedder(texts) -> array of float, shape (n, d)``: the host's own vectors of titles and descriptions, which
        then say how alike items are, together with their words. Asked when an answer first needs it, about all texts
        that it was not asked about before; must not call the recommender. Items with a ``vector`` need none. Where it
        fails there is a ``RuntimeWarning``, and items go on without its vectors until the catalogue changes.

    Raises
    ------
    InputError
        When an argument is not usable.
    MissingExtraError
        When a key is given and ``sqlcipher3`` is not installed.
    WrongKeyError
        When the key does not open the file, when it is encrypted and there is no key, or not and there is one.
    StoreError
        When the file cannot be opened, is damaged, belongs to another application, or was written by
        a newer recsys; it is left as it was.

    Notes
    -----
    Any number of threads may call one recommender; calls wait for each other. Any number of
    processes may open one file; each sees the others' events at its next call. A process that
    was forked opens its own: there every method raises ``ForkedError``. After ``close`` every
    method raises ``ClosedError``. With ``Settings(require_consent=True)`` and no consent in the file, the file is
    not written to, only a pending erasure is finished; ``docs/privacy.md`` says what works then.

    Examples
    --------
    >>> from recsys import Recommender
    >>> with Recommender(":memory:") as rec:
    ...     _ = rec.add([{"id": "tea", "title": "Tea"}, {"id": "coffee", "title": "Coffee"}])
    ...     _ = rec.record("tea", at=1_700_000_000)
    ...     rec.recommend(2, at=1_700_000_060).item_ids
    ['tea', 'coffee']

    Stability: stable
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        key: bytes | Callable[[], bytes] | None = None,
        settings: Settings | None = None,
        prior: Prior | Pack | str | os.PathLike[str] | None = None,
        embedder: Embed | None = None,
    ) -> None:
        inputs.path_of(path)
        if settings is not None and not isinstance(settings, Settings):
            raise InputError("settings: a Settings object is needed", field="settings")
        start, self._knowledge = start_of(prior)
        self._embedder = embedder_of(embedder)
        super().__init__(path, key, settings or Settings(), start)

    def __enter__(self) -> Recommender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Recommender(<redacted>, closed={self._gate.closed}, paused={self._gate.paused})"

    # -- the catalogue ----------------------------------------------------------

    def add(self, items: Iterable[ItemLike]) -> int:
        """Add items to the catalogue, or replace those with the same id.

        Parameters
        ----------
        items : iterable of mappings or Item, or DataFrame
            Each with an ``id``; ``title`` and ``tags`` are known to recsys, all else becomes attributes. Of these
            ``text``, ``description``, numbers, and ``created`` (seconds since 1970 UTC) say what an item is like, and
            so does ``vector``: a list of at most 4,096 finite numbers, as many for every item. ``docs/content.md``.
            Those that ``Settings.created`` and ``Settings.expires`` name are seconds since 1970 UTC.

        Returns
        -------
        int
            How many items were new or different. O(n).

        Raises
        ------
        InputError
            When one of them is not usable; none was added.

        Stability: stable
        """
        found = inputs.items_of(items)
        inputs.check_times(found, (self._settings.created, self._settings.expires))
        with self._gate.arranging:
            self._notice()
            self._catalogue.check_vectors(found)
            return self._put(found)

    def remove(self, ids: Iterable[str]) -> int:
        """Take items out of the catalogue. Their history stays; they are not recommended any more.

        As long as there is any history of an item, its id and tags stay too, and nothing else of it.

        Returns
        -------
        int
            How many of them were in the catalogue or the log; those removed before are left out. O(n), and one pass
            over the log, in C, when it taught nothing of some of them.

        Stability: stable
        """
        found = inputs.texts(ids, "ids", "id", inputs.LIMITS["candidates"])
        with self._gate.arranging:
            self._notice()
            return self._take_out(found)

    # -- what happens -----------------------------------------------------------

    def record(
        self,
        item_id: str,
        kind: str = "click",
        *,
        value: float | None = None,
        at: At = None,
        context: Context | None = None,
        slate: Slate | str | None = None,
    ) -> str:
        """Record that the person did something with an item: durable, then learnt.

        Parameters
        ----------
        item_id : str
            An unknown one becomes an item without attributes.
        kind : str
            What was done; ``Settings.kind_weights`` says how much evidence it is. ``"shown"`` and ``"steer"``
            are reserved.
        value : float, optional
            A finite number to keep with it.
        at : datetime or float, optional
            An aware datetime, or seconds since 1970 UTC. None: now, and after every event in the log.
            An earlier time than the newest event's is legal: what was learnt since is learnt again.
        context : mapping, optional
            What was true at that moment: names to strings, numbers or booleans. A number is a label like any other.
        slate : Slate or str, optional
            The slate (or its id) from which it was chosen; counts as evidence if it was ``shown``.

        Returns
        -------
        str
            The event's id. O(1) in the log's length.

        Raises
        ------
        InputError, PausedError, StoreError
            Nothing was recorded.

        Stability: stable
        """
        fields = {"item_id": item_id, "kind": kind, "value": value, "at": at, "context": context, "slate": slate}
        return self._append([inputs.event_of(fields)])[0]

    def record_many(self, events: Iterable[EventLike]) -> list[str]:
        """Record many events in one transaction: all of them or none.

        Parameters
        ----------
        events : iterable of mappings or Event
            Mappings with the arguments of :meth:`record` as keys. Events with equal times keep their order.

        Returns
        -------
        list of str
            The events' ids, in the order given. O(n).

        Raises
        ------
        InputError, PausedError, StoreError
            None was recorded.

        Stability: stable
        """
        if isinstance(events, (str, bytes)) or not isinstance(events, Iterable):
            raise InputError("events: a list of mappings or Event objects is needed", field="events")
        return self._append([inputs.event_of(event) for event in events])

    def shown(self, slate: Slate, *, at: At = None) -> str:
        """Record that a slate really was on screen: the only way it becomes evidence.

        Parameters
        ----------
        slate : Slate
            What ``recommend`` or ``rank`` gave; a slate is shown once.
        at : datetime or float, optional
            As in :meth:`record`.

        Returns
        -------
        str
            The event's id. O(len(slate)).

        Stability: stable
        """
        if not isinstance(slate, Slate) or not len(slate):
            raise InputError("slate: a Slate with at least one item is needed", field="slate")
        at_us, offset_min = inputs.moment_of(at)
        places = tuple((r.item_id, r.position, r.propensity) for r in slate)
        event = Event(at_us, "", "", "shown", offset_min, slate=slate.id, shown=places)
        return self._append([(inputs.checked_event(event), at is not None)])[0]

    def steer(self, tag_or_item: str, weight: float, *, at: At = None) -> str:
        """Say what the person wants more or less of; an event like any other, so it can be forgotten.

        Parameters
        ----------
        tag_or_item : str
            The item with this id, and every item with this tag, moves.
        weight : float
            -1 (much less) to 1 (much more); 0 takes the correction back.
        at : datetime or float, optional
            As in :meth:`record`.

        Returns
        -------
        str
            The event's id. O(1).

        Stability: stable
        """
        target = inputs.text(tag_or_item, "tag_or_item", "id")
        value = inputs.finite(weight, "weight", -1.0, 1.0)
        at_us, offset_min = inputs.moment_of(at)
        return self._append([(Event(at_us, "", target, "steer", offset_min, value), at is not None)])[0]

    # -- answers ------------------------------------------------------------------

    def recommend(
        self,
        k: int = 10,
        *,
        at: At = None,
        context: Context | None = None,
        exclude: Iterable[str] = (),
        where: Callable[[Item], bool] | Mapping[str, Wanted] | None = None,
        diversity: float | None = None,
        caps: Mapping[str, int] | None = None,
        boosts: Mapping[str, float] | None = None,
        pinned: Iterable[str] | None = None,
        explore: float = 0.0,
        seed: int | None = None,
    ) -> Slate:
        """Give the ``k`` best items of the catalogue and the log. A pure read.

        What ``Settings`` (``once``, ``created``, ``expires``) say is used up or not of its time is left out.

        Parameters
        ----------
        k : int
            At most how many, 0 to 10,000.
        at : datetime or float, optional
            The moment it is for; None: now.
        context : mapping, optional
            What is true at that moment.
        exclude : iterable of str
            Ids to leave out.
        where : callable or mapping, optional
            ``where(item) -> bool``: which items to keep; must not call the recommender. Or a mapping of ``"tags"``,
            ``"title"``, ``"id"`` and attributes to a value, a list of values of which one must be there, or a span such
            as ``{"min": 1950, "max": 1960}``, ends included; all of it must hold. What an item lacks does not match.
        diversity : float, optional
            0 to 1: how much it counts that an item is unlike those above it, in tags; the rest is its score. Re-orders
            the best 200 by score (maximal marginal relevance). None, or 0: not at all. Not together with ``explore``.
        caps : mapping of str to int, optional
            At most so many items with this tag; an item counts for each of its tags. The slate is filled from the top
            with what fits, and has fewer than ``k`` when nothing more does. Not together with ``explore``.
        boosts : mapping of str to float, optional
            -10 to 10 for the item with this id and every item with this tag, added to the score: 1 adds what a
            correction by :meth:`steer` of 1 adds, and boosts of one item add up.
        pinned : iterable of str, optional
            Distinct ids of what stands first, in this order; what is no candidate, or exceeds a cap, is left out. Their
            propensity is 1; what is below them is drawn from the others.
        explore : float
            0: by score, ties by id. Above: drawn, at this temperature, with known propensities; 1 draws in
            proportion to the model's own choice probabilities.
        seed : int, optional
            Makes the draw repeatable.

        Returns
        -------
        Slate
            Fewer than ``k`` when there are fewer. O(items with events); with ``where``, ``boosts`` or ``pinned``
            O(items); with ``caps`` up to O(n log n) for n items.

        Stability: stable
        """
        most = inputs.count(k, "k", 0, inputs.LIMITS["slate"])
        without = inputs.texts(exclude, "exclude", "id", inputs.LIMITS["candidates"], distinct=False)
        keep = inputs.where_of(where)
        temperature, drawn = inputs.explore_of(explore), inputs.seed_of(seed)
        rules = _rules(diversity, caps, boosts, pinned, temperature)
        question: Question = (*inputs.moment_of(at), inputs.context_of(context))
        with self._gate.reading:
            self._sync()
            pool = self._everything(without, keep, question[0])
            return self._slate(pool, question, most, temperature, drawn, rules)

    def rank(
        self,
        item_ids: Iterable[str],
        *,
        k: int | None = None,
        at: At = None,
        context: Context | None = None,
        diversity: float | None = None,
        caps: Mapping[str, int] | None = None,
        boosts: Mapping[str, float] | None = None,
        pinned: Iterable[str] | None = None,
        explore: float = 0.0,
        seed: int | None = None,
    ) -> Slate:
        """Order the host's own candidates. A pure read.

        Parameters
        ----------
        item_ids : iterable of str
            Distinct. An unknown one is scored from the prior and marked ``known=False``.
        k : int, optional
            At most how many; None gives all.
        at, context, diversity, caps, boosts, pinned, explore, seed
            As in :meth:`recommend`; the tags are those of the catalogue.

        Returns
        -------
        Slate
            O(n log n).

        Stability: stable
        """
        ids = inputs.texts(item_ids, "item_ids", "id", inputs.LIMITS["candidates"])
        most = len(ids) if k is None else inputs.count(k, "k", 0, inputs.LIMITS["candidates"])
        temperature, drawn = inputs.explore_of(explore), inputs.seed_of(seed)
        rules = _rules(diversity, caps, boosts, pinned, temperature)
        question: Question = (*inputs.moment_of(at), inputs.context_of(context))
        with self._gate.reading:
            self._sync()
            state = self._live.state
            pool = given(ids, state.behaviour, self._catalogue, state.steers)
            return self._slate(pool, question, most, temperature, drawn, rules)

    def _slate(
        self, pool: Pool, question: Question, k: int, explore: float, seed: int | None, rules: Rules | None
    ) -> Slate:
        return slate(
            self._live.state,
            self._catalogue,
            pool,
            question,
            k=k,
            explore=explore,
            seed=seed,
            knowledge=self._knowledge,
            likeness=self._catalogue.likeness(self._embedder),
            rules=rules,
            grown=self._grown(),
        )

    def _grown(self) -> Grown | None:
        """Give the trees that join the score; None where the linear model serves alone."""
        serving = (None, None) if self._grove is None else self._grove.serving(self._store, self._live)
        if serving == (None, None):
            return None
        from recsys.rank.grown import Grown

        return Grown(*serving)

    def similar(self, item_id: str, k: int = 10, *, at: At = None) -> Slate:
        """Give what goes with an item: what is like it, what is used around it, what a pack knows to go with it.

        A pure read.

        Parameters
        ----------
        item_id : str
            Need not be in the catalogue.
        k : int
            At most how many, 0 to 10,000.
        at : datetime or float, optional
            The moment that the slate carries; None: now.

        Returns
        -------
        Slate
            Best first, ties by id; without the item itself, and without what has nothing to do with it, so of an
            unknown item empty. Reasons add up to the score. O(items and their words).

        Stability: provisional
        """
        from recsys.rank.similar import similar

        wanted, most = inputs.text(item_id, "item_id", "id"), inputs.count(k, "k", 0, inputs.LIMITS["slate"])
        question = inputs.moment_of(at)
        with self._gate.reading:
            self._sync()
            like = self._catalogue.likeness(self._embedder)
            state, told = self._live.state, self._knowledge
            return similar(state, self._catalogue, wanted, question, k=most, knowledge=told, likeness=like)

    def explain(self, item_id: str, *, at: At = None, context: Context | None = None) -> Explanation:
        """Give every term of an item's score among all candidates, and the events behind it. A pure read.

        O(items with events) and one pass over the log for the item's events.

        Stability: stable
        """
        wanted = inputs.text(item_id, "item_id", "id")
        question: Question = (*inputs.moment_of(at), inputs.context_of(context))
        with self._gate.reading:
            self._sync()
            mask = self._live.mask
            events = self._store.events_of(wanted, _EXPLAINED_EVENTS)
            if mask is not None:  # what was never learnt explains nothing
                events = [event for event in events if mask.seen(event) is not None]
            state, pool = self._live.state, self._everything((), None, question[0])
            like = self._catalogue.likeness(self._embedder)
            return explanation(
                state, self._catalogue, pool, question, wanted, events, self._knowledge, like, self._grown()
            )

    def profile(self) -> Profile:
        """Give what was learnt, readable. A pure read. O(items with events).

        Stability: stable
        """
        from recsys.rank.profile import profile

        with self._gate.reading:
            self._sync()
            return profile(self._live.state, self._catalogue, self._prior)

    def evaluate(self) -> Evaluation:
        """Predict, then learn, over the own log: is this any better than "most used"? A pure read.

        With ``Settings(trees=True)`` and LightGBM, trees are grown on the way and join the score where they would have
        served. O(events · items); seconds for 10,000 events, and 10 s more for the trees of 7,700 choices.

        Raises
        ------
        BusyError
            When something is forgotten by this recommender meanwhile.

        Stability: stable
        """
        from recsys.evaluate import evaluate_log

        return evaluate_log(self._learnable(), self._settings, self._prior)

    def what_if(
        self,
        *,
        explore: float = 0.0,
        settings: Settings | None = None,
        prior: Prior | str | os.PathLike[str] | None = None,
    ) -> Counterfactual:
        """Say what the slates that were shown would have been worth in another order. A pure read.

        The order is that of a recommender with these settings and this prior, which walks the log as it happened and
        orders the same items. Only slates that were drawn with ``explore`` above 0 can tell; without any there is no
        number, and ``reason`` says so. Contexts and steering, which no slate keeps, are left out.

        Parameters
        ----------
        explore : float
            Temperature of the other order, as in :meth:`recommend`: 0 by score.
        settings : Settings, optional
            None takes this recommender's own. What is never learnt is this recommender's in any case.
        prior : Prior or str or os.PathLike, optional
            None takes this recommender's own.

        Returns
        -------
        Counterfactual
            Choices a slate, as shown and in the other order, at most the first ten positions of each slate.
            O(events), and two seconds or so for 1,000 slates of ten.

        Raises
        ------
        InputError
            When an argument is not usable.
        BusyError
            When something is forgotten by this recommender meanwhile.

        Stability: provisional
        """
        from recsys.evaluate import what_if

        temperature = inputs.explore_of(explore)
        other = self._prior if prior is None else Prior.of(prior)
        if settings is not None and not isinstance(settings, Settings):
            raise InputError("settings: a Settings object is needed", field="settings")
        return what_if(self._learnable(), explore=temperature, settings=settings or self._settings, prior=other)

    def _learnable(self) -> Iterator[Event]:
        """Give what may be learnt of the log as it stands now, to be read outside the gate."""
        with self._gate.reading:
            self._sync()
            events, mask = self._begun(self._store), self._live.mask
        return events if mask is None else filter(None, map(mask.seen, events))

    # -- the person's rights --------------------------------------------------------

    def forget(
        self,
        *,
        events: Iterable[str] | None = None,
        items: Iterable[str] | None = None,
        kinds: Iterable[str] | None = None,
        since: At = None,
        until: At = None,
        everything: bool = False,
    ) -> Receipt:
        """Forget events: afterwards the log and all that was learnt are as if they had never been.

        Parameters
        ----------
        events, items, kinds : iterable of str, optional
            Ids of events, ids of items, kinds. Criteria of different names must all apply.
            ``items`` also takes them out of slates that were shown.
        since, until : datetime or float, optional
            From the first time on, and before the second.
        everything : bool
            Alone: the whole log. The catalogue, which is the app's, stays: :meth:`remove` takes it out.

        Returns
        -------
        Receipt
            ``status`` is ``"erased"`` when the file was written anew without them, and ``"pending"`` when
            a reader, another process or a full disk stood in the way of that: the next ``maintain`` or ``forget``
            finishes it, or the next opening before anything else.
            O(events after the nearest checkpoint + size of the file).

        Raises
        ------
        InputError
            Without a criterion, with ``everything`` and another one, or when ``until`` is no later than ``since``.
        PausedError
            While paused, since to forget is to write: call :meth:`resume` first.
        BusyError, StoreError
            Nothing was forgotten.

        Notes
        -----
        Works without consent too. May wait for ``Settings.busy_timeout_ms`` each time that another process stands in
        its way, writing or reading. A reading of this recommender's own (``export``, ``evaluate``) is ended instead.

        Stability: provisional
        """
        uids, ids = inputs.some_texts(events, "events", "uid"), inputs.some_texts(items, "items", "id")
        names, all_of_it = inputs.some_texts(kinds, "kinds", "kind"), inputs.flag(everything, "everything")
        since_us, until_us = inputs.span_of(since, until)

        def delete(store: Store) -> Deleted:
            return store.delete(
                uids=uids, items=ids, kinds=names, since_us=since_us, until_us=until_us, everything=all_of_it
            )

        with self._gate.arranging:
            self._notice()
            return self._forget(delete)

    def consent(self, purpose: str, *, at: At = None) -> None:
        """Note that the person allows a purpose; with ``Settings(require_consent=True)`` this lets writing begin.

        Parameters
        ----------
        purpose : str
            In the person's words, 1 to 256 characters, not all blank. Kept with the time, until :meth:`withdraw`.
        at : datetime or float, optional
            When; None: now. Rounded as events are (``Settings.time_resolution``). A purpose allowed before keeps its
            time.

        Raises
        ------
        InputError
            When the purpose is blank, or an argument not usable.
        PausedError, StoreError
            Nothing was noted.

        Stability: provisional
        """
        words, (at_us, _) = inputs.purpose_of(purpose), inputs.moment_of(at)
        with self._gate.arranging:
            self._notice()
            self._consent(words, at_us)

    def consents(self) -> dict[str, float]:
        """Give what was allowed: purpose to the time, seconds since 1970-01-01 UTC. A pure read.

        Stability: provisional
        """
        with self._gate.reading:
            self._sync()
            return {purpose: at_us / 1e6 for purpose, at_us in self._store.consents().items()}

    def withdraw(self, purpose: str | None = None) -> Receipt:
        """Take consent back: when none is left, all that was recorded is forgotten, as by ``forget(everything=True)``.

        With ``Settings(require_consent=True)`` nothing is written from then on, until ``consent``. The catalogue, which
        is the app's, stays: :meth:`remove` takes it out.

        Parameters
        ----------
        purpose : str, optional
            Only this one; an unknown one changes nothing. None: every one, and what was recorded without any.

        Returns
        -------
        Receipt
            As of :meth:`forget`, with the same cost; may wait as long. Works without consent too.

        Raises
        ------
        PausedError
            While paused: call :meth:`resume` first.

        Stability: provisional
        """
        words = None if purpose is None else inputs.purpose_of(purpose)
        with self._gate.arranging:
            self._notice()
            return self._withdraw(words)

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write everything in the file as JSON Lines, to a new file of mode 0600; returns the number of events.

        It is the log as it stands at the call. Without consent, what the file holds from before.
        O(events + items).

        Raises
        ------
        BusyError
            When something is forgotten by this recommender meanwhile; the new file is taken away again.

        Stability: stable
        """
        from recsys import portable

        with self._gate.reading:
            self._sync()
            with self._held() as store:
                items, events = list(store.items()), self._begun(store)
        return portable.write(path, items, events, self._settings.time_resolution)

    def import_(self, path: str | os.PathLike[str]) -> int:
        """Read an export into this file, in one transaction; returns the number of events that were new.

        What is there already and just the same is left out, so importing twice changes nothing; times are rounded as
        ``Settings.time_resolution`` says. An item comes in as the export has it, but keeps those of its tags here that
        are never learnt: the export may be from before them.
        O(events + items).

        Stability: stable
        """
        from recsys import portable

        export = portable.gather(path)
        with self._gate.arranging:
            self._admit()
            return self._take_in(export)

    def pause(self) -> None:
        """Write nothing from now on: the file's bytes stay as they are. Answers go on.

        What would write raises ``PausedError`` until :meth:`resume`; so do :meth:`forget` and :meth:`withdraw`.
        What *other* processes leave in the WAL meanwhile, :meth:`close` may fold into the file, as it is.

        Stability: stable
        """
        with self._gate.reading:
            self._sync()
            if not self._gate.paused:
                self._store.truncate_wal()
                self._gate.paused = True

    def resume(self) -> None:
        """Write again after ``pause``.

        Stability: stable
        """
        with self._gate.reading:
            self._sync()
            self._gate.paused = False
            self._close_left()

    # -- housekeeping -------------------------------------------------------------

    def maintain(self, budget_ms: float = 50.0, *, at: At = None) -> bool:
        """Do one bounded step of background work; True while a further call could do something now.

        A step is finishing a pending erasure; learning a slice of what stays when ``Settings`` (``keep_days``,
        ``keep_events``) lets something go, and letting it go; or writing a checkpoint, so that the next open is quick,
        and dropping damaged ones; or, with ``Settings(trees=True)``, growing trees, one at least, while other threads
        go on. While paused nothing is done. Without consent only an erasure is finished, and it is
        noticed when another process was given a consent. An erasure that something stands in the way of gives
        False; it remains (``stats().erasure_pending``), and the next call tries again.

        Parameters
        ----------
        budget_ms : float
            0 does nothing, and says whether there is work. Steps that write are single: one takes milliseconds, an
            erasure as long as the file is large. When the log was changed so often that learning what stays began anew
            three times, all of it is learnt in one step.
        at : datetime or float, optional
            The moment from which ``keep_days`` counts back; None: now.

        Stability: stable
        """
        budget = inputs.finite(budget_ms, "budget_ms", 0.0, 3_600_000.0)
        now_us, _ = inputs.moment_of(at)
        return self._maintained(budget, now_us)

    def rekey(self, key: bytes | Callable[[], bytes]) -> None:
        """Encrypt the file with another key, all of it or nothing; from then on only the new key opens it.

        Parameters
        ----------
        key : bytes or callable
            As for the constructor.

        Raises
        ------
        InputError
            When the key is not usable, or the file is not encrypted.
        BusyError
            When anything else has the file open, another recommender too; nothing has changed.
        PausedError, ConsentError, StoreError
            The file keeps the key that it has.

        Notes
        -----
        May wait for ``Settings.busy_timeout_ms``. If the power fails meanwhile, one of the two keys opens the file: try
        the new one, then the old one.
        O(size of the file).

        Stability: provisional
        """
        once = asked_once(key) or b""
        with self._gate.arranging:
            self._sync()
            self._admit()
            self._store.rekey(once)
            self._key = once

    def check(self) -> list[Finding]:
        """Say whether the file is sound, and whether what was learnt equals what the log teaches. O(events).

        A warning about ``"erasure"`` says that one is pending. Without consent it is what the file holds from before
        that is looked at. A pure read.

        Stability: stable
        """
        with self._gate.reading:
            self._sync()
            return self._found()

    def stats(self) -> Stats:
        """Give sizes and counts, no content; without consent, of what the file holds from before. A pure read.

        O(checkpoints); without consent O(size of the file).

        Stability: stable
        """
        with self._gate.reading:
            self._sync()
            return self._counted()

    def close(self) -> None:
        """Close the file. May be called at any time and again; in a forked child it does nothing.

        Stability: stable
        """
        if self._gate.forked:
            return
        with self._gate.lock:
            if self._gate.closed:
                return
            self._gate.closed = True
            try:
                if not self._gate.paused and not self._gate.withheld and self._live.worth_saving:
                    self._save()
            except StoreError:
                pass  # a checkpoint is a cache: the next open folds a little more
            finally:
                self._close_left()
                self._store.close()


def _rules(diversity: object, caps: object, boosts: object, pinned: object, explore: float) -> Rules | None:
    """Check what is asked of a slate beyond the order of scores; it is seldom anything."""
    if diversity is None and caps is None and boosts is None and pinned is None:
        return None
    from recsys.rank.rules import rules_of

    return rules_of(diversity, caps, boosts, pinned, explore)
