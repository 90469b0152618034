// What was before and what was taken back. Steps of one movement, or of one field that is written in,
// are one step: they carry the same key until it is sealed.

const MOST = 200;

export class Past {
  constructor(now, most = MOST) {
    this.now = now;
    this.most = most;
    this.before = [];
    this.after = [];
    this.key = null;
  }

  get undoes() {
    return this.before.length > 0;
  }

  get redoes() {
    return this.after.length > 0;
  }

  put(next, key = null) {
    if (key === null || key !== this.key) {
      this.before.push(this.now);
      if (this.before.length > this.most) this.before.shift();
    }
    this.key = key;
    this.after = [];
    this.now = next;
  }

  // what comes is another step
  seal() {
    this.key = null;
  }

  undo() {
    return this.step(this.before, this.after);
  }

  redo() {
    return this.step(this.after, this.before);
  }

  step(from, to) {
    this.seal();
    if (!from.length) return false;
    to.push(this.now);
    this.now = from.pop();
    return true;
  }
}
