"""Drive both example apps with events on an X display and keep a picture of each: ``xvfb-run python pictures.py DIR``.

Needs ``xwd`` (Debian: x11-apps) and Pillow.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import tkinter as tk
from pathlib import Path

from PIL import Image
from recsys import Recommender

from recsys_tk import Learner
from recsys_tk.examples import films, launcher

HISTORY = Path(launcher.__file__).with_name("sample.zsh_history")
WATCHED = ("Alien", "Solaris", "Stalker", "Blade Runner", "The Thing")


def settle(root: tk.Tk, learner: Learner) -> None:
    """Let what is on screen be seen, and all that follows from it arrive."""
    for _ in range(2):
        over = tk.BooleanVar(root)
        root.after(700, lambda over=over: over.set(True))
        root.wait_variable(over)
        learner.wait()


def keep(root: tk.Tk, path: Path) -> None:
    """Save what is on the display where the window is, tips included."""
    root.update()
    dump = subprocess.run(["xwd", "-silent", "-root"], capture_output=True, check=True).stdout
    numbers = [int.from_bytes(dump[at : at + 4], "big") for at in range(0, 100, 4)]
    header, width, height, stride, colours = numbers[0], numbers[4], numbers[5], numbers[12], numbers[19]
    picture = Image.frombytes("RGB", (width, height), dump[header + 12 * colours :], "raw", "BGRX", stride)
    left, top = root.winfo_rootx(), root.winfo_rooty()
    picture.crop((left, top, left + root.winfo_width(), top + root.winfo_height())).save(path)
    print(path)


def launcher_picture(folder: Path, file: Path) -> None:
    """After two programs were chosen by their names."""
    root = tk.Tk()
    root.geometry("440x400+0+0")
    learner = Learner(root, lambda: launcher.opened(file, HISTORY))
    window = launcher.Launcher(root, learner, stay=True)
    window.pack(fill="both", expand=True)
    settle(root, learner)
    for program in ("git", "nvim"):
        window.line.focus_force()
        for letter in program:
            window.line.event_generate(f"<Key-{letter}>")
        settle(root, learner)
        window.line.event_generate("<Return>")
        settle(root, learner)
    keep(root, folder / "tk-launcher.png")
    root.destroy()


def films_picture(folder: Path, file: Path) -> None:
    """After five films, with the reasons of the third row."""
    root = tk.Tk()
    root.geometry("640x480+0+0")
    learner = Learner(root, lambda: Recommender(file))
    window = films.Films(root, learner, films.read_films(films.OWN))
    window.pack(fill="both", expand=True)
    settle(root, learner)
    tree = window.tree
    for title in WATCHED:
        iid = next(iid for iid in tree.get_children() if tree.item(iid, "text") == title)
        tree.see(iid)
        settle(root, learner)
        x, y, _, tall = tree.bbox(iid)
        for _ in range(2):
            tree.event_generate("<Button-1>", x=x + 40, y=y + tall // 2)
            tree.event_generate("<ButtonRelease-1>", x=x + 40, y=y + tall // 2)
        settle(root, learner)
    tree.see(tree.get_children()[0])
    settle(root, learner)
    x, y, _, tall = tree.bbox(tree.get_children()[2])
    tree.event_generate("<Motion>", x=x + 170, y=y + tall // 2)
    settle(root, learner)
    keep(root, folder / "tk-films.png")
    root.destroy()


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as files:
        launcher_picture(folder, Path(files) / "launcher.db")
        films_picture(folder, Path(files) / "films.db")


if __name__ == "__main__":
    main()
