"""A recommender inside a Tk app.

:class:`Learner` owns the thread on which one person's recommender works. :class:`RankedTree` is a ``ttk.Treeview``
whose top-level rows stand best first.
"""

from recsys_tk.learner import Learner
from recsys_tk.tree import RankedTree

__all__ = ["Learner", "RankedTree"]
