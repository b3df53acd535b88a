"""A small podcast app: what was heard, what to hear next, and a cache of titles for a quick start."""

import json
from pathlib import Path

from recsys import Recommender


class Podcasts:
    def __init__(self, folder):
        self.rec = Recommender(Path(folder) / "me.db")
        self.cache = Path(folder) / "titles.json"
        self.titles = json.loads(self.cache.read_text()) if self.cache.exists() else {}

    def subscribe(self, shows):
        self.rec.add(shows)
        self.titles |= {show["id"]: show["title"] for show in shows}
        self._save()

    def listen(self, show_id, **moment):
        self.rec.record(show_id, "play", **moment)

    def home_screen(self):
        return [self.titles.get(show_id, show_id) for show_id in self.rec.recommend(5).item_ids]

    def forget(self, show_id):
        self.rec.remove([show_id])
        self.rec.forget(items=[show_id])

    def close(self):
        self.rec.close()

    def _save(self):
        self.cache.touch(mode=0o600)
        self.cache.write_text(json.dumps(self.titles))
