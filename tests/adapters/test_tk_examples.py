"""The Tk examples, driven by keys and clicks on a display, and the README as it stands."""

from __future__ import annotations

import subprocess
import sys
import tkinter as tk
from pathlib import Path

import pytest
from tests import documents
from tests.adapters import needs

needs.tk()

from recsys import Recommender
from recsys_tk import Learner
from recsys_tk.examples import films, launcher

README = needs.ADAPTERS / "tk" / "README.md"
OWN = Path(launcher.__file__).parent
OTHERS = needs.ADAPTERS / "qt" / "recsys_qt" / "examples"


def pump(root: tk.Misc, ms: int) -> None:
    over = tk.BooleanVar(root)
    root.after(ms, lambda: over.set(True))
    root.wait_variable(over)


def test_the_launcher_learns_the_history_and_then_what_is_chosen(tmp_path: Path) -> None:
    root = tk.Tk()
    failures: list[BaseException] = []
    learner = Learner(
        root, lambda: launcher.opened(tmp_path / "me.db", OWN / "sample.zsh_history"), failed=failures.append
    )
    window = launcher.Launcher(root, learner, stay=True)
    window.pack()
    assert learner.wait(60)
    pump(root, 100)
    assert learner.wait()
    assert len(window.tree.get_children()) > 20
    window.line.focus_force()
    root.update()
    for letter in "vi":
        window.line.event_generate(f"<Key-{letter}>")
    root.update()
    assert learner.wait()
    assert window.tree.get_children() == ("nvim",)
    window.line.event_generate("<Return>")
    root.update()
    assert learner.wait()
    assert window.chosen == ["nvim"]
    pump(root, 700)
    assert learner.wait()
    assert window.tree.set(window.tree.get_children()[0], "why")
    window.line.event_generate("<Down>")
    second = window.tree.get_children()[1]
    window.line.event_generate("<Return>")
    root.update()
    assert learner.wait()
    assert window.chosen == ["nvim", second]
    root.destroy()
    assert failures == []


def test_the_launcher_s_command_prints_the_choice(tmp_path: Path) -> None:
    code = """
import sys, tkinter as tk
from recsys_tk.examples import launcher
class Acting(launcher.Launcher):
    def __init__(self, *words, **named):
        super().__init__(*words, **named)
        self.after(50, self.act)
    def act(self):
        if not self.tree.get_children():
            self.after(50, self.act)
            return
        self.line.focus_force()
        for letter in "htop":
            self.line.event_generate(f"<Key-{letter}>")
        self.after(100, lambda: self.line.event_generate("<Return>"))
launcher.Launcher = Acting
sys.exit(launcher.main(sys.argv[1:]))
"""
    words = ["--db", str(tmp_path / "me.db"), "--history", str(OWN / "sample.zsh_history")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "htop\n"), done.stderr
    with Recommender(tmp_path / "me.db") as recommender:
        assert list(recommender._store.events())[-1].item_id == "htop"


def test_the_film_list_plays_steers_and_forgets(tmp_path: Path) -> None:
    root = tk.Tk()
    root.geometry("640x480+0+0")
    failures: list[BaseException] = []
    learner = Learner(root, lambda: Recommender(tmp_path / "me.db"), failed=failures.append)
    window = films.Films(root, learner, films.read_films(OWN / "films.csv"))
    window.pack(fill="both", expand=True)
    pump(root, 100)
    assert learner.wait()
    tree = window.tree
    assert len(tree.get_children()) == 120

    def place_of(title: str) -> int:
        return next(n for n, iid in enumerate(tree.get_children()) if tree.item(iid, "text") == title)

    def play(title: str) -> None:
        iid = tree.get_children()[place_of(title)]
        tree.see(iid)
        root.update()
        x, y, _, tall = tree.bbox(iid)
        for _ in range(2):
            tree.event_generate("<Button-1>", x=x + 40, y=y + tall // 2)
            tree.event_generate("<ButtonRelease-1>", x=x + 40, y=y + tall // 2)
        assert learner.wait()

    before = place_of("Halloween")
    for title in ("The Shining", "Psycho", "The Exorcist"):
        play(title)
    assert window.said.get() == "Playing The Exorcist"
    assert place_of("Halloween") < before
    window.fill_menu(tree.get_children()[place_of("Psycho")]).invoke(3)
    assert learner.wait()
    assert window.said.get() == "Forgotten: 1 event, erased"
    before = place_of("Psycho")
    window.fill_menu(tree.get_children()[before]).invoke(1)
    assert learner.wait()
    assert place_of("Psycho") > before
    root.destroy()
    assert failures == []


def test_the_readme_s_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert documents.run_python(README, README.read_text(encoding="utf-8")) == 2
    assert Path("me.db").is_file()


@pytest.mark.parametrize("name", ["films.csv", "sample.zsh_history"])
def test_both_adapters_ship_the_same_samples(name: str) -> None:
    assert (OWN / name).read_bytes() == (OTHERS / name).read_bytes()


def test_the_pictures_can_be_made(tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="needs Pillow")
    script = needs.ADAPTERS / "tk" / "pictures.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False, timeout=180)
    if "xwd" in done.stderr and "No such file" in done.stderr:
        pytest.skip("needs xwd")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["tk-films.png", "tk-launcher.png"]


def test_a_history_or_a_catalogue_that_is_not_there_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("what,when\none,two\n")
    for main, words in (
        (launcher.main, ["--history", str(tmp_path / "nowhere")]),
        (films.main, ["--films", str(tmp_path / "nowhere")]),
        (films.main, ["--films", str(wrong)]),
    ):
        with pytest.raises(SystemExit) as stopped:
            main([*words, "--db", str(tmp_path / "me.db")])
        said = capsys.readouterr().err
        assert stopped.value.code == 2
        assert words[0] in said.splitlines()[-1]
        assert str(tmp_path) not in said
