// The addon's threads, as promises. Answers of a lane come in the order in which they were asked for.
"use strict";

const addon = require(process.env.RECSYS_ADDON || "./build/recsys.node");

class Lane {
  #number;
  #isStarted = false;
  #first = null; // who waits for an answer: a list, since an array's shift() is slow when it is long
  #last = null;

  constructor(number) {
    this.#number = number;
  }

  /** Make a call; a promise of the whole answer. Without a method it is the boot, with a path. */
  ask(method, payload) {
    return new Promise((resolve) => {
      if (!this.#isStarted) addon.start(this.#number, (answers) => this.#tell(JSON.parse(answers)));
      this.#isStarted = true;
      addon.ask(this.#number, method, payload);
      const waiting = { resolve, next: null };
      if (this.#first === null) this.#first = waiting;
      else this.#last.next = waiting;
      this.#last = waiting;
    });
  }

  #tell(answers) {
    for (const answer of answers) {
      const { resolve, next } = this.#first;
      this.#first = next;
      resolve(answer);
    }
  }
}

const SHORT = new Lane(0); // calls wait for each other, in the order in which they were made
const LONG = new Lane(1); // those that read for seconds begin when the calls before them are done, and hold up none after them

module.exports = { LONG, SHORT, callSync: addon.callSync };
