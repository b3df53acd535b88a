"""Tables for reading a shell history: keywords, prefixes such as ``sudo``, what a program name looks like."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["ASSIGNMENT", "CLOSERS", "KEYWORDS", "PREFIXES", "SKIPPED", "Prefix", "program_name"]

ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(?:\[[^\]]*\])?\+?=")

# After these words comes another command.
_COMMON = {"if", "else", "while", "!", "{", "not"}
KEYWORDS = {
    "sh": frozenset(_COMMON | {"then", "elif", "until", "do", "coproc"}),
    "fish": frozenset(_COMMON | {"and", "or", "begin"}),
}
# After these comes no command up to the next separator.
CLOSERS = frozenset({"fi", "done", "esac", "}", "end", "for", "select", "function", "switch", "case", "in", "]]", "))"})
# These last until their closing word.
SKIPPED = {"case": "esac", "[[": "]]"}


class Prefix(NamedTuple):
    """The options of a command that runs another command.

    Parameters
    ----------
    flags : frozenset of str
        Options without a value, short and long.
    valued : str
        Letters of short options whose value follows.
    valued_long : frozenset of str
        Long options whose value follows, after a blank or ``=``.
    n_words : int
        How many words stand before the command.
    number : bool
        Whether ``-5`` is an option.
    """

    flags: frozenset[str] = frozenset()
    valued: str = ""
    valued_long: frozenset[str] = frozenset()
    n_words: int = 0
    number: bool = False


def _prefix(flags: str = "", valued: str = "", *, n_words: int = 0, number: bool = False) -> Prefix:
    """Write a row: blank-separated flags; blank-separated short letters and long options that take a value."""
    words = valued.split()
    letters = "".join(word for word in words if not word.startswith("--"))
    return Prefix(frozenset(flags.split()), letters, frozenset(w for w in words if w.startswith("--")), n_words, number)


# An option that is not listed ends the search: the prefix itself is then the command.
PREFIXES = {
    "sudo": _prefix(
        "-A -b -B -E -H -k -K -n -P -S -i -s --askpass --background --preserve-env --set-home --non-interactive",
        "u g h p C r t T U D R --user --group --host --prompt --close-from --role --type --chdir --chroot",
    ),
    "doas": _prefix("-n -s", "u C"),
    "env": _prefix("-i -v --ignore-environment --debug", "u C --unset --chdir"),
    "time": _prefix("-p -v -l -a --verbose --portability --append", "f o --format --output"),
    "nohup": _prefix(),
    "nice": _prefix("", "n --adjustment", number=True),
    "ionice": _prefix("-t --ignore", "c n --class --classdata"),
    "timeout": _prefix("-v --foreground --preserve-status --verbose", "k s --kill-after --signal", n_words=1),
    "stdbuf": _prefix("", "i o e --input --output --error"),
    "setsid": _prefix("-c -f -w --ctty --fork --wait"),
    "command": _prefix("-p"),
    "builtin": _prefix(),
    "exec": _prefix("-c -l", "a"),
    "noglob": _prefix(),
    "nocorrect": _prefix(),
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
# Typed or pasted in a program's place by mistake: what these match is never taken for a name.
_UNLIKELY = tuple(
    re.compile(pattern)
    for pattern in (
        r"[^A-Za-z]*",  # numbers, dates, addresses
        r"(?i)(?=.*\d)[0-9a-f]{12,}",  # digests and keys in hexadecimal
        r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-.*",  # UUIDs
        r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{8,}",  # the look of a password
        r"(?i)(?=(?:[^\d]*\d){4})(?!.*[._+-]).{10,}",  # letters mixed with many digits
        r"(?:gh[pousr]_|github_pat_|glpat-|sk-|pk-|xox[a-z]-|AKIA|ASIA|AIza|eyJ|npm_|pypi-|hf_|ya29).*",  # tokens
        r".*\.(?i:com|net|org|edu|gov)",  # hosts
        r".*\.(?i:txt|md|pdf|docx?|xlsx?|csv|json|xml|html?|jpe?g|png|pem|key|crt|log|conf|ya?ml|toml|zip|gz)",  # files
        r".{33,}",
    )
)


def program_name(word: str) -> str | None:
    """Return the program's name without its folder, or None when the word is no plausible one.

    Parameters
    ----------
    word : str
        A command's first word, without quotes or expansions.
    """
    name = word.removeprefix("\\").rpartition("/")[2]
    if _NAME.fullmatch(name) is None or any(pattern.fullmatch(name) for pattern in _UNLIKELY):
        return None
    return name
