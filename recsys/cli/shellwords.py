"""Find the words that a shell would take for program names, and pass over everything else.

In: one history entry. Out: the plausible program names in it, in order. This is no shell parser: it knows just enough
of sh, zsh and fish to tell a first word from quotes, substitutions, redirections, here-documents, assignments,
comments and loops. Where it does not know, it leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from recsys.cli.shellnames import ASSIGNMENT, CLOSERS, KEYWORDS, PREFIXES, SKIPPED, Prefix, program_name

__all__ = ["Reading", "programs"]

_BLANK = re.compile(r"(?:[ \t\r]|\\\n)+|#[^\n]*")
_REDIRECT = re.compile(r"\d*(?:<<<|<<-?|<>|<&|>&|>>|>\||[<>](?!\())|&>>?")
_OPERATOR = re.compile(r"\|\||&&|;;&?|;&|\|&|[;|&]")
_RUN = re.compile(r"[^ \t\r\n'\"\\$`;|&()<>]+")
_ARGUMENTS = re.compile(r"(?:[^\n'\"\\$`;|&()<>#]|(?<=[^ \t])#)+")
_FUNCTION = re.compile(r"[ \t]*\(\s*\)")
# Inside a construct: what opens another one, what is escaped, what closes it.
_INSIDE = {
    "'": re.compile(r"'"),
    "fish'": re.compile(r"\\.|'", re.DOTALL),
    "$'": re.compile(r"\\.|'", re.DOTALL),
    '"': re.compile(r"\\.|\$\(|\$\{|`|\"", re.DOTALL),
    "`": re.compile(r"\\.|`", re.DOTALL),
    "(": re.compile(r"\\.|\$'|\$\{|['\"`(]|\)", re.DOTALL),
    "${": re.compile(r"\\.|\$'|\$\(|\$\{|['\"`]|\}", re.DOTALL),
}
_CLOSE = {"'": "'", "fish'": "'", "$'": "'", '"': '"', "`": "`", "(": ")", "${": "}"}


class Reading(NamedTuple):
    """What an entry yields.

    Parameters
    ----------
    names : list of str
        The program names, in order.
    n_skipped : int
        Commands whose first word is no plausible name.
    is_open : bool
        Whether a quote, substitution, ``case`` or ``[[`` was never closed.
    awaits_here : bool
        Whether a here-document was announced and its end not found.
    end : int
        Where reading stopped, in characters.
    """

    names: list[str]
    n_skipped: int
    is_open: bool
    awaits_here: bool
    end: int


@dataclass(frozen=True, slots=True, repr=False)
class _Token:
    kind: str  # "word", "redirect", "operator", "newline", "open", "close"
    text: str
    start: int
    end: int
    is_plain: bool = True


def programs(text: str, *, fish: bool = False, start: int = 0, one_entry: bool = False) -> Reading:
    """Read the program names of shell text.

    Parameters
    ----------
    text : str
        The entry, or with ``one_entry`` a whole file.
    fish : bool
        Whether quotes and keywords are fish's.
    start : int
        Where to begin, in characters.
    one_entry : bool
        Stop at the first newline that is not inside a quote, substitution, ``case`` or here-document.
    """
    return _Reader(text, start, fish=fish).read(one_entry=one_entry)


class _Lexer:
    """Cuts text into words, operators and redirections; remembers pending here-documents."""

    def __init__(self, text: str, start: int, *, fish: bool) -> None:
        self.text = text
        self.at = start
        self.fish = fish
        self.is_open = False
        self.awaits_here = False
        self.in_command = False  # past the command's first word: "(" belongs to a word
        self.until: str | None = None  # the word that ends a stretch without commands
        self.redirect: str | None = None  # the redirection whose target comes next
        self.here: list[tuple[str, bool]] = []

    def tokens(self) -> Iterator[_Token]:
        while self.at < len(self.text):
            start = self.at
            if (end := self._passed()) > start:
                self.at = end
                yield self._token("passed", start)
            elif self.text[start] == "\n":
                self.at += 1
                self._skip_here_documents()
                yield self._token("newline", start)
            elif (found := _REDIRECT.match(self.text, start)) is not None:
                self.at = found.end()
                yield self._token("redirect", start)
            elif (found := _OPERATOR.match(self.text, start)) is not None:
                self.at = found.end()
                yield self._token("operator", start)
            elif self.text[start] == ")":
                self.at += 1
                yield self._token("close", start)
            elif self.text[start] == "(" and not self.in_command and not self.text.startswith("((", start):
                self.at += 1
                yield self._token("open", start)
            else:
                yield self._word()

    def _passed(self) -> int:
        """Where blanks, a comment, or arguments that nobody waits for end."""
        is_argument = self.in_command and self.until is None and self.redirect is None
        found = (_ARGUMENTS.match(self.text, self.at) if is_argument else None) or _BLANK.match(self.text, self.at)
        return found.end() if found is not None else self.at

    def _token(self, kind: str, start: int, *, is_plain: bool = True) -> _Token:
        return _Token(kind, self.text[start : self.at], start, self.at, is_plain)

    def _word(self) -> _Token:
        start, is_plain = self.at, True
        while self.at < len(self.text):
            run = _RUN.match(self.text, self.at)
            if run is not None:
                self.at = run.end()
            elif self._defines_function(start) or not self._construct(is_first=self.at == start):
                break
            else:
                is_plain = is_plain and self.text[start] == "\\" and self.at == start + 2
        return self._token("word", start, is_plain=is_plain)

    def _defines_function(self, start: int) -> bool:
        return self.at > start and not self.in_command and _FUNCTION.match(self.text, self.at) is not None

    def _construct(self, *, is_first: bool) -> bool:
        """Step over a quote, substitution, group or escape; False when none begins here."""
        two = self.text[self.at : self.at + 2]
        if two[0] == "\\":
            self.at += 2
        elif two in ("$(", "<(", ">("):
            self._skip("(", 2)
        elif two in ("$'", "${"):
            self._skip(two, 2)
        elif two[0] in "'\"`(":
            self._skip("fish'" if two[0] == "'" and self.fish else two[0], 1)
        elif two[0] == "$" or (is_first and two[0] in "<>"):
            self.at += 1
        else:
            return False
        return True

    def _skip(self, kind: str, width: int) -> None:
        """Move past a construct and all that is nested in it."""
        self.at += width
        stack = [kind]
        while stack:
            found = _INSIDE[stack[-1]].search(self.text, self.at)
            if found is None:
                self.at, self.is_open = len(self.text), True
                return
            self.at = found.end()
            what = found[0]
            if what == _CLOSE[stack[-1]]:
                stack.pop()
            elif what[0] != "\\":
                opened = "(" if what == "$(" else what
                stack.append("fish'" if opened == "'" and self.fish else opened)

    def _skip_here_documents(self) -> None:
        for word, strips_tabs in self.here:
            tabs = "\t*" if strips_tabs else ""
            found = re.compile(rf"^{tabs}{re.escape(word)}$\n?", re.MULTILINE).search(self.text, self.at)
            self.awaits_here = self.awaits_here or found is None
            self.at = len(self.text) if found is None else found.end()
        self.here.clear()


class _Reader(_Lexer):
    """Decides which words are program names."""

    def read(self, *, one_entry: bool) -> Reading:
        self.names: list[str] = []
        self.n_skipped = 0
        self.prefix: _Prefixed | None = None
        last: _Token | None = None
        for token in self.tokens():
            if token.kind in ("word", "redirect"):
                self._take(token)
            elif token.kind != "passed" and self.until is None:
                self._separate(token, last)
            if one_entry and token.kind == "newline" and self.until is None:
                break
            last = token
        self._finish()
        is_open = self.is_open or self.until is not None
        return Reading(self.names, self.n_skipped, is_open, self.awaits_here or bool(self.here), self.at)

    def _take(self, token: _Token) -> None:
        if token.kind == "redirect":
            self.redirect = token.text
        elif self.redirect is not None:
            if self.redirect.startswith("<<") and self.redirect != "<<<" and not self.fish:
                self.here.append((re.sub(r"['\"\\]", "", token.text), self.redirect == "<<-"))
            self.redirect = None
        elif self.until is not None:
            if token.text == self.until:
                self.until = None
        elif not self.in_command:
            self._first_word(token)

    def _separate(self, token: _Token, last: _Token | None) -> None:
        """Begin the next command, unless the separator is probably part of an unquoted address."""
        self._finish()
        self.redirect = None
        self.in_command = token.kind == "close" or self._is_glued(token, last)

    def _is_glued(self, token: _Token, last: _Token | None) -> bool:
        if token.kind != "operator" or last is None or last.kind not in ("word", "passed") or last.end != token.start:
            return False
        is_followed = not self.text[token.end : token.end + 1].isspace() and token.end < len(self.text)
        is_address = token.text == "&" and not last.text.endswith((" ", "\t"))
        return is_followed and (is_address or "://" in last.text or "?" in last.text)

    def _first_word(self, token: _Token) -> None:
        word = token.text
        is_keyword = token.is_plain and word in KEYWORDS["fish" if self.fish else "sh"]
        if self.prefix is not None:
            self._after_prefix(self.prefix, token)
        elif is_keyword or ASSIGNMENT.match(word):
            pass
        elif token.is_plain and word in SKIPPED and not (self.fish and word == "case"):
            self.until, self.in_command = SKIPPED[word], True
        elif (function := _FUNCTION.match(self.text, token.end)) is not None:
            self.at = function.end()
        elif token.is_plain and word in CLOSERS:
            self.in_command = True
        else:
            self._command(token)

    def _command(self, token: _Token) -> None:
        name = program_name(token.text) if token.is_plain else None
        if name in PREFIXES:
            self.prefix = _Prefixed(name, PREFIXES[name])
            return
        self.in_command = True
        self.prefix = None
        if name is None:
            self.n_skipped += 1
        else:
            self.names.append(name)

    def _after_prefix(self, prefix: _Prefixed, token: _Token) -> None:
        step = prefix.step(token.text)
        if step == "command":
            self.prefix = None
            self._first_word(token)
        elif step == "unknown":
            self._finish()
            self.in_command = True

    def _finish(self) -> None:
        """A prefix without a command that we can find is itself the command."""
        if self.prefix is not None:
            self.names.append(self.prefix.name)
        self.prefix = None


class _Prefixed:
    """Walks over the options of ``sudo``, ``env``, ``nice`` and the like, to the command behind them."""

    def __init__(self, name: str, rule: Prefix) -> None:
        self.name = name
        self.rule = rule
        self.takes_value = False
        self.n_words = rule.n_words

    def step(self, word: str) -> str:
        """Return ``"option"``, ``"command"`` or ``"unknown"``."""
        if self.takes_value:
            self.takes_value = False
            return "option"
        if ASSIGNMENT.match(word):
            return "option"
        if word.startswith("-"):
            return self._option(word)
        if self.n_words:
            self.n_words -= 1
            return "option"
        return "command"

    def _option(self, word: str) -> str:
        if word == "--" or word in self.rule.flags or word.partition("=")[0] in self.rule.valued_long:
            self.takes_value = word in self.rule.valued_long
            return "option"
        if word.startswith("--"):
            return "unknown"
        if self.rule.number and word[1:].isdigit():
            return "option"
        for n, letter in enumerate(word[1:], start=2):
            if letter in self.rule.valued:
                self.takes_value = n == len(word)
                return "option"
            if f"-{letter}" not in self.rule.flags:
                return "unknown"
        return "option" if len(word) > 1 else "unknown"
