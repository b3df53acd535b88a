from app import Podcasts
from recsys.testing import PrivacyMachine, assert_never_known


def test_a_forgotten_show_is_nowhere(sealed_dir, no_network, forensic):
    podcasts = Podcasts(sealed_dir)
    podcasts.subscribe([{"id": "show-17", "title": "Coping with Insomnia"}])
    podcasts.listen("show-17", context={"place": "the night shift"})
    forensic.needles(id="show-17", title="Coping with Insomnia", context="the night shift")
    forensic.assert_held()  # else finding nothing would mean nothing

    podcasts.forget("show-17")
    forensic.assert_gone()
    podcasts.close()
    forensic.assert_gone()


class PodcastLives(PrivacyMachine):
    def open_app(self, folder):
        return Podcasts(folder)

    def add(self, app, items):
        app.subscribe([{"id": item.id, "title": item.title, "tags": item.tags, **item.attributes} for item in items])

    def record(self, app, event):
        app.rec.record_many([event])

    def ask(self, app):
        return app.home_screen()

    def forget(self, app, item_id):
        app.forget(item_id)

    def compare(self, app, never_knew):
        assert_never_known(app.rec, never_knew.rec)


TestPodcastLives = PodcastLives.as_test(max_examples=10)
