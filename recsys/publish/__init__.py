"""The publisher's side: prior packs are made here from the logs of many people, before they ship with an app.

Nothing in an app loads this.
"""

from recsys.publish.build import LEAST_PEOPLE, Built, Evidence, Person, build, build_from_logs
from recsys.publish.train import Hyper

__all__ = ["LEAST_PEOPLE", "Built", "Evidence", "Hyper", "Person", "build", "build_from_logs"]
