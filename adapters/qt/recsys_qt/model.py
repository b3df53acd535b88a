"""A proxy model that shows a host's rows best first.

In: any list or table model with an item id in one of its roles. Out: the same rows, cells, roles and selections in the
order in which a recommender ranks them, followed through every change of the host's model, with reasons as tooltips.
The ranking is done on a :class:`~recsys_qt.learner.Learner`'s thread; here only rows are moved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractProxyModel,
    QModelIndex,
    QModelRoleData,
    QModelRoleDataSpan,
    QObject,
    QPersistentModelIndex,
    Qt,
    QTimer,
    Signal,
    Slot,
)
from recsys import Receipt, Recommendation, Recommender, Slate

from recsys_qt.learner import Learner
from recsys_qt.order import Order, item_id_of
from recsys_qt.seen import Seen

if TYPE_CHECKING:
    from PySide6.QtWidgets import QAbstractItemView

    from recsys_qt.watch import Watch

__all__ = ["RankedModel"]

Index: TypeAlias = QModelIndex | QPersistentModelIndex
_Ranked: TypeAlias = tuple[Slate, dict[str, Recommendation], dict[str, int]]

_TOLD_AT_ONCE = 100  # rows whose contents are read in one go
_RUNS = 16  # more changed runs than these are announced as one
_REASONS = 3


def _now() -> datetime:
    return datetime.now(timezone.utc).astimezone()


class RankedModel(QAbstractProxyModel):
    """The rows of a source model, best first.

    Parameters
    ----------
    learner : Learner
        Whose recommender ranks; several models may share one.
    id_role : int
        The role of column 0 that holds a row's item id, a text or a whole number. Rows without one stand last.
    text_role : int or None
        The role of column 0 with the item's title, for reasons and for content. None: the catalogue is not written to.
    attributes_role : int or None
        The role of column 0 with a mapping of what else is known of the item (``tags``, ``year``, ``description``).
    context : callable, optional
        ``context() -> mapping``: what is true now; asked at every ranking and every choice.
    clock : callable, optional
        ``clock() -> aware datetime or seconds since 1970 UTC``; None takes the machine's.
    explore : float
        As in ``Recommender.rank``.
    live : bool
        Whether to rank again after each choice. False leaves that to :meth:`refresh`, so that nothing moves under the
        pointer.
    parent : QObject, optional
        The owner.

    Notes
    -----
    Top-level rows are ranked; children of a tree are not shown. ``sort`` sorts the source, which changes nothing here
    but the order of rows without a rank. Rows that the source adds stand where the last ranking had them, or last,
    until the next ranking, a moment later.

    Stability: provisional
    """

    ranked = Signal()
    """A new ranking is in place, whether or not it moved a row."""
    explained = Signal()
    """More tooltips are there. Not ``dataChanged``: views ask for a tooltip at each hover, and a list would lay out all
    of its rows anew. Whoever draws reasons draws again."""
    forgotten = Signal(object)
    """The ``Receipt`` of a :meth:`forget`."""

    def __init__(
        self,
        learner: Learner,
        *,
        id_role: int = Qt.ItemDataRole.UserRole,
        text_role: int | None = Qt.ItemDataRole.DisplayRole,
        attributes_role: int | None = None,
        context: Callable[[], Mapping[str, Any]] | None = None,
        clock: Callable[[], datetime | float] | None = None,
        explore: float = 0.0,
        live: bool = True,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.seen = Seen()
        self._learner = learner
        self._id_role, self._text_role, self._attributes_role = int(id_role), text_role, attributes_role
        self._context, self._clock = context or dict, clock or _now
        self._explore, self._live = explore, live
        self._order = Order()
        self._n_columns = 0  # views ask for a row's cells by the thousand
        self._ranks: dict[str, int] = {}
        self._slate: Slate | None = None
        self._reasons: dict[str, str | None] = {}  # by item id; None was asked for
        self._untold: deque[str] = deque()
        self._told: dict[str, Mapping[str, object]] = {}
        self._asked = self._is_stale = False
        self._kept: list[QPersistentModelIndex] = []
        self._kept_own: list[tuple[QModelIndex, QPersistentModelIndex]] = []
        self._connected: list[Any] = []
        self._telling = QTimer(self, singleShot=True, interval=0)
        self._telling.timeout.connect(self._tell_some)
        learner.failed.connect(self._failed)

    # -- what a host calls ------------------------------------------------------

    def attach(self, view: QAbstractItemView, *, clicked: str | None = None, activated: str | None = "open") -> Watch:
        """Watch a view of this model: log what is really visible in it, record what is chosen.

        Parameters
        ----------
        view : QAbstractItemView
            Shows this model, or a proxy of it.
        clicked, activated : str or None
            The kinds under which these signals of the view are recorded; None: not at all.

        Returns
        -------
        Watch
            Owned by the view.

        Stability: provisional
        """
        from recsys_qt.watch import Watch

        return Watch(self, view, clicked=clicked, activated=activated)

    @Slot()
    def refresh(self) -> None:
        """Rank again soon; calls that come while a ranking is under way are answered by one more."""
        if self._asked:
            self._is_stale = True
            return
        ids = self._order.distinct()
        if not ids:
            return
        self._asked, self._is_stale = True, False
        at, context, explore = self._clock(), dict(self._context()), self._explore

        def rank(recommender: Recommender) -> _Ranked:
            slate = recommender.rank(ids, at=at, context=context, explore=explore)
            by_id = {r.item_id: r for r in slate}
            return slate, by_id, {item_id: r.position for item_id, r in by_id.items()}

        self._learner.ask(rank, self._take)

    def record(self, index: Index, kind: str = "click", *, value: float | None = None) -> None:
        """Record that the person did something with a row; then rank again, if ``live``.

        Parameters
        ----------
        index : QModelIndex
            Of this model.
        kind, value
            As in ``Recommender.record``.

        Stability: provisional
        """
        item_id = self.item_id(index)
        if item_id is None:
            return
        slate, at, context = self.seen.chosen(item_id), self._clock(), dict(self._context())
        self._learner.tell(
            lambda rec: rec.record(item_id, kind, value=value, at=at, context=context, slate=slate),
            self._learnt,
        )

    def shown(self, part: Slate) -> None:
        """Record that a part of a ranking was on screen; what a :class:`Watch` does."""
        at = self._clock()
        self._learner.tell(lambda rec: rec.shown(part, at=at))

    def steer(self, index: Index, weight: float) -> None:
        """Say that the person wants more (to 1) or less (to -1) of a row's item; 0 takes that back."""
        item_id, at = self.item_id(index), self._clock()
        if item_id is not None:
            self._learner.tell(lambda rec: rec.steer(item_id, weight, at=at), self._steered)

    def forget(self, index: Index) -> None:
        """Forget all that was ever done with a row's item; the ``Receipt`` comes with :attr:`forgotten`."""
        item_id = self.item_id(index)
        if item_id is not None:
            self._learner.tell(lambda rec: rec.forget(items=[item_id]), self._forgot)

    def item_id(self, index: Index) -> str | None:
        """Give the item id of a row of this model, or None."""
        return self._order.ids[self._order.rows[index.row()]] if self._is_own(index) else None

    def slate(self) -> Slate | None:
        """Give the ranking in place, or None before the first."""
        return self._slate

    def explain(self, item_ids: list[str]) -> None:
        """Have the reasons of these items made ready; they come as tooltips. The others are made when asked for."""
        slate, ranks = self._slate, self._ranks
        wanted = [item_id for item_id in item_ids if item_id in ranks and item_id not in self._reasons]
        if slate is None or not wanted:
            return
        self._reasons.update(dict.fromkeys(wanted))

        def explain(_: Recommender) -> tuple[Slate, dict[str, str | None]]:
            return slate, {item_id: _words(slate[ranks[item_id]]) for item_id in wanted}

        self._learner.ask(explain, self._explained)

    # -- a proxy model ------------------------------------------------------------

    def setSourceModel(self, sourceModel: QAbstractItemModel) -> None:
        """Show the rows of another model."""
        self.beginResetModel()
        for connection in self._connected:
            QObject.disconnect(connection)
        self._connected = []
        super().setSourceModel(sourceModel)
        if sourceModel is not None:
            self._connected = [getattr(sourceModel, name).connect(slot) for name, slot in self._slots().items()]
        self._read_all()
        self.endResetModel()
        self.refresh()

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:
        """Give the cell at a place."""
        if 0 <= row < len(self._order.rows) and 0 <= column < self._n_columns and not parent.isValid():
            return self.createIndex(row, column)
        return QModelIndex()

    def parent(self, child: Index | None = None) -> Any:
        """Give no parent: all rows are top-level. Without an argument, the object that owns this one."""
        return QObject.parent(self) if child is None else QModelIndex()

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        """Give the number of rows."""
        return 0 if parent.isValid() else len(self._order.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:
        """Give the number of columns."""
        return 0 if parent.isValid() else self._n_columns

    def hasChildren(self, parent: Index = QModelIndex()) -> bool:
        """Whether there is any row: none has children."""
        return not parent.isValid() and bool(self._order.rows)

    def mapToSource(self, proxyIndex: Index) -> QModelIndex:
        """Give the source's cell."""
        if not self._is_own(proxyIndex):
            return QModelIndex()
        return self.sourceModel().index(self._order.rows[proxyIndex.row()], proxyIndex.column())

    def mapFromSource(self, sourceIndex: Index) -> QModelIndex:
        """Give the cell that shows a cell of the source; for a child of a tree, none."""
        row, places = sourceIndex.row(), self._order.places
        if not sourceIndex.isValid() or sourceIndex.parent().isValid() or row >= len(places) or places[row] < 0:
            return QModelIndex()
        return self.createIndex(places[row], sourceIndex.column())

    def data(self, proxyIndex: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Give the source's data; of the tooltip, the reasons below the source's own."""
        found = self.mapToSource(proxyIndex)
        value = self.sourceModel().data(found, role) if found.isValid() else None
        return self._with_reasons(proxyIndex, value) if role == Qt.ItemDataRole.ToolTipRole else value

    def multiData(self, index: Index, roleDataSpan: QModelRoleDataSpan | QModelRoleData) -> None:
        """Give the source's data of many roles at once: one call into Python for each cell that is drawn."""
        found = self.mapToSource(index)
        if found.isValid():
            self.sourceModel().multiData(found, roleDataSpan)

    def _is_own(self, index: Index) -> bool:
        return index.isValid() and index.model() is self and index.row() < len(self._order.rows)

    def _with_reasons(self, index: Index, own: Any) -> Any:
        item_id = self.item_id(index)
        if item_id is None:
            return own
        if item_id not in self._reasons:
            self.explain([item_id])
        reasons = self._reasons.get(item_id)
        return "\n".join(filter(None, (str(own) if own else "", reasons))) or None

    # -- a new ranking ------------------------------------------------------------

    def _take(self, ranked: _Ranked) -> None:
        self._asked = False
        self._slate, by_id, self._ranks = ranked
        self.seen.ranked(self._slate, by_id)
        self._reasons = {}
        self._show(self._order.sorted_by(self._ranks))
        self.ranked.emit()
        if self._is_stale:
            self.refresh()

    def _failed(self, _: object) -> None:
        self._asked = False

    def _learnt(self, _: object) -> None:
        if self._live:
            self.refresh()

    def _steered(self, _: object) -> None:
        self.refresh()

    def _added(self, _: object) -> None:
        if not self._untold:
            self.refresh()

    def _forgot(self, receipt: Receipt) -> None:
        self._reasons = {}
        self.seen.forget()
        self.forgotten.emit(receipt)
        self.refresh()

    def _explained(self, explained: tuple[Slate, dict[str, str | None]]) -> None:
        slate, reasons = explained
        if slate is self._slate:
            self._reasons.update(reasons)
            self.explained.emit()

    def _show(self, rows: list[int]) -> None:
        """Bring rows that are all shown already into another order; selections go along."""
        if rows == self._order.rows:
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        old = [self._order.rows[index.row()] for index in before]
        self._order.put(rows)
        places = self._order.places
        after = [self.createIndex(places[row], index.column()) for row, index in zip(old, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    # -- what the source says ---------------------------------------------------------

    def _slots(self) -> dict[str, Callable[..., None]]:
        return {
            "rowsInserted": self._rows_inserted,
            "rowsAboutToBeRemoved": self._rows_leaving,
            "rowsRemoved": self._rows_removed,
            "rowsAboutToBeMoved": self._rows_moving,
            "rowsMoved": self._rows_moved,
            "columnsAboutToBeInserted": self._columns_coming,
            "columnsInserted": self._columns_came,
            "columnsAboutToBeRemoved": self._columns_leaving,
            "columnsRemoved": self._columns_left,
            "columnsAboutToBeMoved": self._columns_moving,
            "columnsMoved": self._columns_moved,
            "modelAboutToBeReset": self.beginResetModel,
            "modelReset": self._was_reset,
            "layoutAboutToBeChanged": self._layout_changing,
            "layoutChanged": self._layout_changed,
            "dataChanged": self._data_changed,
            "headerDataChanged": self._header_changed,
            "destroyed": self._source_gone,
        }

    def _read_all(self) -> None:
        source = self.sourceModel()
        self._n_columns = source.columnCount() if source is not None else 0
        self._order = Order(self._ids(0, source.rowCount() - 1) if source is not None else ())
        self._order.put(self._order.sorted_by(self._ranks))
        self._untold.clear()
        self._to_tell(self._order.distinct())

    def _ids(self, first: int, last: int) -> list[str | None]:
        source, role = self.sourceModel(), self._id_role
        return [item_id_of(source.index(row, 0).data(role)) for row in range(first, last + 1)]

    def _was_reset(self) -> None:
        self._read_all()
        self.endResetModel()
        self.refresh()

    def _source_gone(self) -> None:
        self.beginResetModel()
        self._connected, self._order, self._n_columns = [], Order(), 0
        self._untold.clear()
        self.endResetModel()

    def _rows_inserted(self, parent: QModelIndex, first: int, last: int) -> None:
        if parent.isValid():
            return
        ids = self._ids(first, last)
        self._order.make_room(first, ids)
        shown = self._order.rows
        new = list(range(first, last + 1))
        wanted = self._order.sorted_by(self._ranks, [*shown, *new])
        places = [place for place, row in enumerate(wanted) if first <= row <= last]
        if Order.is_run(places):
            self.beginInsertRows(QModelIndex(), places[0], places[-1])
            self._order.put([*shown[: places[0]], *(wanted[place] for place in places), *shown[places[0] :]])
            self.endInsertRows()
        else:
            self.beginInsertRows(QModelIndex(), len(shown), len(shown) + len(new) - 1)
            self._order.put([*shown, *new])
            self.endInsertRows()
        self._show(wanted)
        self._to_tell([item_id for item_id in ids if item_id is not None])
        self.refresh()

    def _rows_leaving(self, parent: QModelIndex, first: int, last: int) -> None:
        """Hide rows while the source still has them, for whoever is told may look at them once more."""
        if parent.isValid():
            return
        places = sorted(self._order.places[first : last + 1])
        if not Order.is_run(places):
            rows = self._order.rows
            self._show([r for r in rows if not first <= r <= last] + [r for r in rows if first <= r <= last])
            places = sorted(self._order.places[first : last + 1])
        self.beginRemoveRows(QModelIndex(), places[0], places[-1])
        self._order.put([row for row in self._order.rows if not first <= row <= last])
        self.endRemoveRows()

    def _rows_removed(self, parent: QModelIndex, first: int, last: int) -> None:
        if not parent.isValid():
            self._order.close_up(first, last)
            self.refresh()

    def _rows_moving(self, source: QModelIndex, first: int, last: int, target: QModelIndex, before: int) -> None:
        if source.isValid() != target.isValid():  # into a tree, or out of it
            self.beginResetModel()

    def _rows_moved(self, source: QModelIndex, first: int, last: int, target: QModelIndex, before: int) -> None:
        if source.isValid() != target.isValid():
            self._was_reset()
        elif not source.isValid():
            self._order.move(first, last, before)
            self._show(self._order.sorted_by(self._ranks))

    def _columns_coming(self, parent: QModelIndex, first: int, last: int) -> None:
        if not parent.isValid():
            self.beginInsertColumns(QModelIndex(), first, last)

    def _columns_came(self, parent: QModelIndex, first: int, last: int) -> None:
        if not parent.isValid():
            self._n_columns += last - first + 1
            self.endInsertColumns()

    def _columns_leaving(self, parent: QModelIndex, first: int, last: int) -> None:
        if not parent.isValid():
            self.beginRemoveColumns(QModelIndex(), first, last)

    def _columns_left(self, parent: QModelIndex, first: int, last: int) -> None:
        if not parent.isValid():
            self._n_columns -= last - first + 1
            self.endRemoveColumns()

    def _columns_moving(self, source: QModelIndex, first: int, last: int, target: QModelIndex, before: int) -> None:
        if not source.isValid():
            self.beginMoveColumns(QModelIndex(), first, last, QModelIndex(), before)

    def _columns_moved(self, source: QModelIndex, first: int, last: int, target: QModelIndex, before: int) -> None:
        if not source.isValid():
            self.endMoveColumns()

    def _layout_changing(self, *_: object) -> None:
        source = self.sourceModel()
        self.layoutAboutToBeChanged.emit()
        self._kept = [QPersistentModelIndex(source.index(row, 0)) for row in range(len(self._order.ids))]
        self._kept_own = [
            (index, QPersistentModelIndex(self.mapToSource(index))) for index in self.persistentIndexList()
        ]

    def _layout_changed(self, *_: object) -> None:
        n = self.sourceModel().rowCount()
        self._n_columns = self.sourceModel().columnCount()
        old = [-1] * n
        for row, kept in enumerate(self._kept):
            if kept.isValid() and not kept.parent().isValid():
                old[kept.row()] = row
        if n == len(self._kept) and -1 not in old:
            self._order.renumber(old)
            self._order.put(self._order.sorted_by(self._ranks))
        else:  # the source came by other rows without a word
            self._read_all()
        before = [index for index, _ in self._kept_own]
        self.changePersistentIndexList(before, [self.mapFromSource(kept) for _, kept in self._kept_own])
        self._kept, self._kept_own = [], []
        self.layoutChanged.emit()

    def _data_changed(self, first: QModelIndex, last: QModelIndex, roles: list[int]) -> None:
        if first.parent().isValid():
            return
        rows = range(first.row(), last.row() + 1)
        places = sorted(self._order.places[row] for row in rows)
        self._announce([place for place in places if place >= 0], roles, first.column(), last.column())
        if first.column():
            return
        if not roles or self._id_role in roles:
            ids = self._ids(rows.start, rows.stop - 1)
            if ids != self._order.ids[rows.start : rows.stop]:
                self._order.ids[rows.start : rows.stop] = ids
                self._show(self._order.sorted_by(self._ranks))
                self.refresh()
        if not roles or not {self._id_role, self._text_role, self._attributes_role}.isdisjoint(roles):
            self._to_tell([i for i in self._order.ids[rows.start : rows.stop] if i is not None])

    def _header_changed(self, orientation: Qt.Orientation, first: int, last: int) -> None:
        if orientation == Qt.Orientation.Vertical:
            first, last = 0, len(self._order.rows) - 1
        if first <= last:
            self.headerDataChanged.emit(orientation, first, last)

    def _announce(self, places: list[int], roles: list[int], left: int = 0, right: int | None = None) -> None:
        """Say that cells changed: run by run, or all at once when that is less to say."""
        if not places:
            return
        right = self.columnCount() - 1 if right is None else right
        breaks = [n for n in range(1, len(places)) if places[n] != places[n - 1] + 1]
        starts, ends = [0, *breaks], [*breaks, len(places)]
        if len(starts) > _RUNS:
            starts, ends = [0], [len(places)]
        for start, end in zip(starts, ends, strict=True):
            self.dataChanged.emit(self.index(places[start], left), self.index(places[end - 1], right), roles)

    # -- what the rows say of their items ---------------------------------------------

    def _to_tell(self, ids: list[str]) -> None:
        if self._text_role is None and self._attributes_role is None:
            return
        self._untold.extend(ids)
        if self._untold:
            self._telling.start()

    def _tell_some(self) -> None:
        """Read what some rows say, and have the catalogue hold what is new of it."""
        row_of = {item_id: row for row, item_id in reversed(list(enumerate(self._order.ids)))}
        items = []
        for _ in range(min(_TOLD_AT_ONCE, len(self._untold))):
            item_id = self._untold.popleft()
            if item_id in row_of and (item := self._item(item_id, row_of[item_id])) != self._told.get(item_id):
                self._told[item_id] = item
                items.append(item)
        if items:
            self._learner.tell(lambda rec: rec.add(items), self._added)
        if self._untold:
            self._telling.start()

    def _item(self, item_id: str, row: int) -> dict[str, object]:
        index = self.sourceModel().index(row, 0)
        more = index.data(self._attributes_role) if self._attributes_role is not None else None
        title = index.data(self._text_role) if self._text_role is not None else None
        return {**(more if isinstance(more, Mapping) else {}), "id": item_id, "title": str(title or "")}


def _words(one: Recommendation) -> str | None:
    return "\n".join(str(reason) for reason in one.reasons[:_REASONS]) or None
