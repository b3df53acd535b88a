package com.chaquo.python;

/** What of Chaquopy's class of this name the engine uses, so that it compiles without it. Never shipped. */
public final class Python {
    private Python() {}

    public static Python getInstance() {
        throw new UnsupportedOperationException();
    }

    public PyObject getModule(String name) {
        throw new UnsupportedOperationException();
    }

    public PyObject getBuiltins() {
        throw new UnsupportedOperationException();
    }
}
