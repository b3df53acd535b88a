"""A small window beside the pointer with a few words, as Tk has none of its own."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable

__all__ = ["Tip"]

_AFTER_MS = 600
_BESIDE = 14  # pixels


class Tip:
    """Shows what ``words(x, y)`` says of the place where the pointer rests on a widget; None: nothing.

    Stability: provisional
    """

    def __init__(self, widget: tk.Widget, words: Callable[[int, int], str | None]) -> None:
        self._widget, self._words = widget, words
        self._timer: str | None = None
        self.window: tk.Toplevel | None = None
        widget.bind("<Motion>", self._moved, add="+")
        for event in ("<Leave>", "<Button>", "<MouseWheel>", "<Key>", "<Unmap>"):
            widget.bind(event, self.hide, add="+")

    def hide(self, *_: object) -> None:
        """Take it away."""
        if self._timer is not None:
            self._widget.after_cancel(self._timer)
            self._timer = None
        if self.window is not None:
            self.window.destroy()
            self.window = None

    def _moved(self, event: tk.Event[tk.Misc]) -> None:
        self.hide()
        self._timer = self._widget.after(_AFTER_MS, lambda: self._show(event.x, event.y))

    def _show(self, x: int, y: int) -> None:
        self._timer = None
        words = self._words(x, y)
        if not words:
            return
        self.window = window = tk.Toplevel(self._widget)
        window.wm_overrideredirect(boolean=True)
        tk.Label(
            window, text=words, justify="left", background="#ffffe1", foreground="#202020", borderwidth=1,
            relief="solid", padx=6, pady=4,
        ).pack()  # fmt: skip
        left, top = self._widget.winfo_rootx() + x + _BESIDE, self._widget.winfo_rooty() + y + _BESIDE
        window.wm_geometry(f"+{left}+{top}")
