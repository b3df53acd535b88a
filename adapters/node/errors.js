// The errors of docs/bridge.md as classes, each with a `kind` and a `field`.
"use strict";

class RecsysError extends Error {
  constructor(message, field = null) {
    super(message);
    this.field = field;
  }

  get name() {
    return this.constructor.name;
  }

  get kind() {
    return this.constructor.name;
  }
}

class InputError extends RecsysError {}
class StateError extends RecsysError {}
class ClosedError extends StateError {}
class PausedError extends StateError {}
class ConsentError extends StateError {}
class BudgetError extends StateError {}
class ForkedError extends StateError {}
class StoreError extends RecsysError {}
class BusyError extends StoreError {}
class FullError extends StoreError {}
class CorruptError extends StoreError {}
class VersionError extends StoreError {}
class WrongKeyError extends StoreError {}
class CheckpointError extends RecsysError {}
class MissingExtraError extends RecsysError {}
class InternalError extends RecsysError {} // what nobody foresaw
class BootError extends RecsysError {} // the interpreter, or recsys in it, cannot be loaded

module.exports = {
  RecsysError,
  InputError,
  StateError,
  ClosedError,
  PausedError,
  ConsentError,
  BudgetError,
  ForkedError,
  StoreError,
  BusyError,
  FullError,
  CorruptError,
  VersionError,
  WrongKeyError,
  CheckpointError,
  MissingExtraError,
  InternalError,
  BootError,
};
