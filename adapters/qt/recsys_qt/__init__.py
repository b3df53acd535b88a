"""A recommender inside a Qt app.

:class:`Learner` owns the thread on which one person's recommender works. :class:`RankedModel` stands between a model
of the host's and its views, and shows the same rows best first.
"""

from recsys_qt.learner import Learner
from recsys_qt.model import RankedModel
from recsys_qt.watch import Watch

__all__ = ["Learner", "RankedModel", "Watch"]
