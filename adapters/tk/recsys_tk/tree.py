"""A ``ttk.Treeview`` whose top-level rows stand best first.

In: rows, put in as into any Treeview. Out: the same rows in the order in which a recommender ranks them, impressions of
those that were really visible, choices, and reasons in a tip under the pointer. The ranking is done on a
:class:`~recsys_tk.learner.Learner`'s thread; here only rows are moved.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from tkinter import ttk
from typing import Any, TypeAlias

from recsys import Receipt, Recommendation, Recommender, Slate

from recsys_tk.learner import Learner
from recsys_tk.seen import Seen
from recsys_tk.tip import Tip

__all__ = ["RankedTree"]

_Ranked: TypeAlias = tuple[Slate, dict[str, Recommendation], dict[str, int]]

_REASONS = 3
_LONGEST = 512  # characters of an id


def _now() -> datetime:
    return datetime.now(timezone.utc).astimezone()


class RankedTree(ttk.Treeview):
    """A Treeview, best rows first.

    Parameters
    ----------
    master : tkinter.Misc
        The parent widget.
    learner : Learner
        Whose recommender ranks; several trees may share one.
    item_id : callable, optional
        ``item_id(iid) -> str or None``: the item that a row stands for; None as an answer: stands last, unranked.
        Without it a row's ``iid`` is its item id.
    describe : callable, optional
        ``describe(iid) -> mapping``: what is known of a new row's item (``title``, ``tags``, ...), for reasons and
        content. Without it the catalogue is not written to.
    clicked, activated : str or None
        The kinds under which a click on a row, and a double click or Return, are recorded; None: not at all.
    context, clock, explore, live
        ``context() -> mapping``, ``clock() -> aware datetime or seconds``, as in ``Recommender.rank``; ``live`` False
        ranks only when :meth:`refresh` is called.
    settle_ms : int
        How long rows must stay before they count as seen. A choice before that counts them at once.
    **options
        Those of ``ttk.Treeview``.

    Notes
    -----
    After a ranking there is ``<<Ranked>>``, after a :meth:`forget_item` ``<<Forgotten>>``; its receipt is ``receipt``.
    Rows may be inserted, deleted, detached and moved at any time; that is ranked anew when the main loop is idle.
    Children of rows go with their rows, unranked.

    Stability: provisional
    """

    def __init__(
        self,
        master: tk.Misc,
        learner: Learner,
        *,
        item_id: Callable[[str], str | None] | None = None,
        describe: Callable[[str], Mapping[str, object]] | None = None,
        clicked: str | None = None,
        activated: str | None = "open",
        context: Callable[[], Mapping[str, Any]] | None = None,
        clock: Callable[[], datetime | float] | None = None,
        explore: float = 0.0,
        live: bool = True,
        settle_ms: int = 500,
        **options: Any,
    ) -> None:
        super().__init__(master, **options)
        self.receipt: Receipt | None = None
        self._learner, self._id_of, self._describe = learner, item_id or str, describe
        self._context, self._clock = context or dict, clock or _now
        self._explore, self._live, self._settle_ms = explore, live, settle_ms
        self._seen = Seen()
        self._slate: Slate | None = None
        self._ranks: dict[str, int] = {}
        self._reasons: dict[str, str | None] = {}  # by item id; None was asked for
        self._told: dict[str, Mapping[str, object]] = {}
        self._asked = self._is_stale = self._is_gone = False
        self._changing: str | None = None
        self._settling: str | None = None
        self._tip = Tip(self, self._reasons_at)
        self._listen(clicked, activated)

    # -- what a host calls ------------------------------------------------------

    def refresh(self) -> None:
        """Rank again soon; calls that come while a ranking is under way are answered by one more."""
        if self._is_gone:
            return
        if self._asked:
            self._is_stale = True
            return
        ids = list(dict.fromkeys(filter(None, map(self.item_id, self.get_children()))))
        if not ids:
            return
        self._asked, self._is_stale = True, False
        at, context, explore = self._clock(), dict(self._context()), self._explore

        def rank(recommender: Recommender) -> _Ranked:
            slate = recommender.rank(ids, at=at, context=context, explore=explore)
            by_id = {r.item_id: r for r in slate}
            return slate, by_id, {item_id: r.position for item_id, r in by_id.items()}

        self._learner.ask(rank, self._take, otherwise=self._unasked)

    def record(self, iid: str, kind: str = "click", *, value: float | None = None) -> None:
        """Record that the person did something with a row; then rank again, if ``live``."""
        item_id = self.item_id(iid)
        if item_id is None:
            return
        slate, at, context = self._seen.chosen(item_id), self._clock(), dict(self._context())
        self._learner.tell(
            lambda rec: rec.record(item_id, kind, value=value, at=at, context=context, slate=slate),
            lambda _: self.refresh() if self._live else None,
        )

    def steer(self, iid: str, weight: float) -> None:
        """Say that the person wants more (to 1) or less (to -1) of a row's item; 0 takes that back."""
        item_id, at = self.item_id(iid), self._clock()
        if item_id is not None:
            self._learner.tell(lambda rec: rec.steer(item_id, weight, at=at), lambda _: self.refresh())

    def forget_item(self, iid: str) -> None:
        """Forget all that was ever done with a row's item; ``<<Forgotten>>`` says when it is."""
        item_id = self.item_id(iid)
        if item_id is not None:
            self._learner.tell(lambda rec: rec.forget(items=[item_id]), self._forgot)

    def item_id(self, iid: str) -> str | None:
        """Give the item id of a row, or None when it has no usable one."""
        found = self._id_of(iid)
        return found if isinstance(found, str) and 0 < len(found) <= _LONGEST and "\0" not in found else None

    def slate(self) -> Slate | None:
        """Give the ranking in place, or None before the first."""
        return self._slate

    def reasons(self, iid: str) -> str | None:
        """Give why a row stands where it does, if that is there yet; else it is asked for."""
        item_id = self.item_id(iid)
        if item_id is None:
            return None
        if item_id not in self._reasons:
            self._explain([item_id])
        return self._reasons.get(item_id)

    def visible_ids(self) -> list[str]:
        """Give the item ids of the top-level rows of which at least half is on screen, from the top."""
        if not self.winfo_viewable():
            return []
        height = self.winfo_height()
        found: dict[str, None] = {}
        y = 0
        while y < height:
            iid = self.identify_row(y)
            box = self.bbox(iid) if iid else ""
            if not box:
                y += 4  # the headings
                continue
            _, top, _, tall = box
            item_id = self.item_id(iid) if not self.parent(iid) else None
            if item_id is not None and 2 * (min(height, top + tall) - max(0, top)) >= tall:
                found[item_id] = None
            y = max(y, top + tall) + 1
        return list(found)

    def look(self) -> None:
        """Log what is visible now as shown, as far as it was not; its reasons are made ready as well."""
        visible = self.visible_ids()
        part = self._seen.take(visible)
        if part is not None:
            at, shown = self._clock(), part
            self._learner.tell(lambda rec: rec.shown(shown, at=at))
        self._explain(visible)

    # -- a Treeview ---------------------------------------------------------------

    def insert(self, parent: str, index: Any, iid: Any = None, **kw: Any) -> str:
        """Insert a row, as ``ttk.Treeview.insert``."""
        self._changed()
        return super().insert(parent, index, iid, **kw)

    def delete(self, *items: Any) -> None:
        """Delete rows, as ``ttk.Treeview.delete``."""
        super().delete(*items)
        self._changed()

    def detach(self, *items: Any) -> None:
        """Take rows out of sight, as ``ttk.Treeview.detach``."""
        super().detach(*items)
        self._changed()

    def move(self, item: Any, parent: str, index: Any) -> None:
        """Move a row, or bring a detached one back, as ``ttk.Treeview.move``; a top-level row goes to its rank."""
        super().move(item, parent, index)
        self._changed()

    reattach = move

    def set_children(self, item: str | int, *newchildren: Any) -> None:
        """Replace a row's children, as ``ttk.Treeview.set_children``."""
        super().set_children(item, *newchildren)
        self._changed()

    def yview(self, *args: Any) -> Any:
        """Scroll, as ``ttk.Treeview.yview``."""
        if args:
            self._settle()
        return super().yview(*args)

    def destroy(self) -> None:
        """End the widget."""
        self._is_gone = True
        for timer in filter(None, (self._changing, self._settling)):
            self.after_cancel(timer)
        self._tip.hide()
        super().destroy()

    def _listen(self, clicked: str | None, activated: str | None) -> None:
        for event in ("<Configure>", "<Map>", "<MouseWheel>", "<Button-4>", "<Button-5>", "<KeyRelease>"):
            self.bind(event, self._settle, add="+")
        if clicked is not None:
            self.bind("<ButtonRelease-1>", lambda event: self._chosen(self._row_at(event), clicked), add="+")
        if activated is not None:
            self.bind("<Double-1>", lambda event: self._chosen(self._row_at(event), activated), add="+")
            self.bind("<Return>", lambda _: self._chosen(self.focus(), activated), add="+")

    def _row_at(self, event: tk.Event[tk.Misc]) -> str:
        return self.identify_row(event.y) if self.identify_region(event.x, event.y) != "heading" else ""

    def _chosen(self, iid: str, kind: str) -> None:
        if iid:
            self.look()
            self.record(iid, kind)

    def _settle(self, *_: object) -> None:
        if self._settling is not None:
            self.after_cancel(self._settling)
        self._settling = self.after(self._settle_ms, self._settled)

    def _settled(self) -> None:
        self._settling = None
        self.look()

    # -- rows and rankings ----------------------------------------------------------

    def _changed(self) -> None:
        if self._changing is None:
            self._changing = self.after_idle(self._follow)

    def _follow(self) -> None:
        """Bring new rows to where the last ranking had them, tell what they are, and rank anew."""
        self._changing = None
        self._arrange()
        if self._describe is not None:
            self._tell()
        self.refresh()

    def _tell(self) -> None:
        items = []
        for iid in self.get_children():
            item_id = self.item_id(iid)
            if item_id is None or item_id in self._told or self._describe is None:
                continue
            self._told[item_id] = item = {**self._describe(iid), "id": item_id}
            items.append(item)
        if items:
            self._learner.tell(lambda rec: rec.add(items), lambda _: self.refresh())

    def _arrange(self) -> None:
        """Put rows in order: by rank, then those not ranked yet, then those without an id; ties stay as they are."""
        rows = self.get_children()
        unranked, without = len(self._ranks), len(self._ranks) + 1
        ids = {iid: self.item_id(iid) for iid in rows}

        def place(iid: str) -> int:
            item_id = ids[iid]
            return without if item_id is None else self._ranks.get(item_id, unranked)

        wanted = tuple(sorted(rows, key=place))
        if wanted != tuple(rows):
            super().set_children("", *wanted)

    def _unasked(self) -> None:
        self._asked = False

    def _take(self, ranked: _Ranked) -> None:
        self._asked = False
        if self._is_gone:
            return
        self._slate, by_id, self._ranks = ranked
        self._seen.ranked(self._slate, by_id)
        self._reasons = {}
        self._arrange()
        self._settle()
        self.event_generate("<<Ranked>>")
        if self._is_stale:
            self.refresh()

    def _forgot(self, receipt: Receipt) -> None:
        if self._is_gone:
            return
        self._reasons, self.receipt = {}, receipt
        self._seen.forget()
        self.event_generate("<<Forgotten>>")
        self.refresh()

    def _explain(self, item_ids: list[str]) -> None:
        slate, ranks = self._slate, self._ranks
        wanted = [item_id for item_id in item_ids if item_id in ranks and item_id not in self._reasons]
        if slate is None or not wanted:
            return
        self._reasons.update(dict.fromkeys(wanted))

        def explain(_: Recommender) -> dict[str, str | None]:
            return {item_id: _words(slate[ranks[item_id]]) for item_id in wanted}

        self._learner.ask(explain, lambda reasons: self._explained(slate, reasons))

    def _explained(self, slate: Slate, reasons: dict[str, str | None]) -> None:
        if slate is self._slate and not self._is_gone:
            self._reasons.update(reasons)
            self.event_generate("<<Explained>>")

    def _reasons_at(self, x: int, y: int) -> str | None:
        iid = self.identify_row(y) if self.identify_region(x, y) != "heading" else ""
        return self.reasons(iid) if iid else None


def _words(one: Recommendation) -> str | None:
    return "\n".join(str(reason) for reason in one.reasons[:_REASONS]) or None
