"""What a person does in one view: what was really on screen, and what was chosen.

In: a view of a :class:`~recsys_qt.model.RankedModel`. Out: impressions of the rows that stayed visible, and choices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractProxyModel, QEvent, QModelIndex, QObject, QPoint, QTimer
from PySide6.QtWidgets import QAbstractItemView

if TYPE_CHECKING:
    from recsys_qt.model import RankedModel

__all__ = ["Watch"]

_AWAY = frozenset({QEvent.Type.Hide, QEvent.Type.Close})
_BACK = frozenset({QEvent.Type.Show, QEvent.Type.Resize, QEvent.Type.WindowActivate})


class Watch(QObject):
    """Logs which rows of a view were visible, and records what is clicked or activated.

    Parameters
    ----------
    model : RankedModel
        Whose rows the view shows, itself or through further proxies.
    view : QAbstractItemView
        The owner.
    clicked, activated : str or None
        Kinds to record; None records nothing of that signal.
    settle_ms : int
        How long rows must stay before they count as seen. A choice before that counts them at once.

    Stability: provisional
    """

    def __init__(
        self,
        model: RankedModel,
        view: QAbstractItemView,
        *,
        clicked: str | None = None,
        activated: str | None = "open",
        settle_ms: int = 500,
    ) -> None:
        super().__init__(view)
        self._model, self._view = model, view
        self._timer = QTimer(self, singleShot=True, interval=settle_ms)
        self._timer.timeout.connect(self.look)
        view.installEventFilter(self)
        for bar in (view.verticalScrollBar(), view.horizontalScrollBar()):
            bar.valueChanged.connect(self._settle)
        for signal in (model.ranked, model.layoutChanged, model.rowsInserted, model.rowsRemoved, model.modelReset):
            signal.connect(self._settle)
        if clicked is not None:
            view.clicked.connect(lambda index: self._chosen(index, clicked))
        if activated is not None:
            view.activated.connect(lambda index: self._chosen(index, activated))
        self._settle()

    def visible_ids(self) -> list[str]:
        """Give the ids of the rows of which at least half is on screen, from the top; none while the window is away.

        O(visible rows).
        """
        view = self._view
        window = view.window()
        if not view.isVisible() or window.isMinimized() or view.model() is None:
            return []
        ids = dict.fromkeys(self._model.item_id(self._own(index)) for index in _visible(view))
        return [item_id for item_id in ids if item_id is not None]

    def look(self) -> None:
        """Log what is visible now as shown, as far as it was not; its reasons are made ready as well."""
        model = self._model
        visible = self.visible_ids()
        part = model.seen.take(visible)
        if part is not None:
            model.shown(part)
        model.explain(visible)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Begin anew when the view comes back, changes its size or goes away."""
        if event.type() in _BACK:
            self._settle()
        elif event.type() in _AWAY:
            self._timer.stop()
        return False

    def _settle(self, *_: object) -> None:
        self._timer.start()

    def _chosen(self, index: QModelIndex, kind: str) -> None:
        self.look()
        self._model.record(self._own(index), kind)

    def _own(self, index: QModelIndex) -> QModelIndex:
        """Follow an index of the view down to the model."""
        while index.isValid() and index.model() is not self._model:
            proxy = index.model()
            if not isinstance(proxy, QAbstractProxyModel):
                return QModelIndex()
            index = proxy.mapToSource(index)
        return index


def _visible(view: QAbstractItemView) -> list[QModelIndex]:
    """Give the first cell of each row in the viewport."""
    area = view.viewport().rect()
    model, root = view.model(), view.rootIndex()
    row = _first(view)
    found = []
    while row < model.rowCount(root):
        index = model.index(row, 0, root)
        place = view.visualRect(index)
        if place.top() > area.bottom():
            break
        if 2 * place.intersected(area).height() >= place.height() > 0:
            found.append(index)
        row += 1
    return found


def _first(view: QAbstractItemView) -> int:
    """Give the row at the top of the viewport."""
    area = view.viewport().rect()
    for y in range(area.top(), area.bottom(), 4):  # the first pixels may be spacing
        index = view.indexAt(QPoint(area.left() + 2, y))
        if index.isValid():
            return index.row()
    return 0
