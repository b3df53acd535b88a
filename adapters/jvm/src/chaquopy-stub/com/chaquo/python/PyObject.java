package com.chaquo.python;

/** What of Chaquopy's class of this name the engine uses, so that it compiles without it. Never shipped. */
public abstract class PyObject {
    public abstract PyObject get(Object key);

    public abstract PyObject call(Object... args);

    public abstract <T> T toJava(Class<T> type);
}
