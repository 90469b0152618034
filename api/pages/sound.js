// What alerts sound like: each severity by itself, the critical ones like nothing else.
// Browsers are silent until somebody has clicked or pressed a key, unless they are told otherwise.

// pitch in Hz, begin and length in seconds
const TONES = {
  low: [[520, 0, 0.12]],
  medium: [[660, 0, 0.15]],
  high: [[660, 0, 0.14], [880, 0.18, 0.22]],
  critical: [0, 0.5, 1].flatMap((at) => [[980, at, 0.22], [620, at + 0.24, 0.22]]),
};
const LOUD = { low: 0.12, medium: 0.2, high: 0.3, critical: 0.45 };

export class Sound {
  // "changed" is called when it becomes audible, or is no more
  constructor(changed) {
    this.changed = changed;
    this.context = null;
    this.begin = this.begin.bind(this);
    if (window.AudioContext) {
      this.make();
      for (const act of ["click", "keydown"]) document.addEventListener(act, this.begin, true);
    }
  }

  get audible() {
    return this.context !== null && this.context.state === "running";
  }

  make() {
    this.context = new AudioContext();
    this.context.onstatechange = this.changed;
  }

  // somebody did something, so that the browser lets us; what the button does is its own
  begin(event) {
    if (event?.target.closest?.(".mk-sound")) return;
    if (this.context && this.context.state === "suspended") this.context.resume().then(this.changed, () => {});
  }

  play(severity) {
    if (!this.audible) return;
    const now = this.context.currentTime;
    for (const [pitch, at, long] of TONES[severity]) {
      const tone = this.context.createOscillator();
      const volume = this.context.createGain();
      tone.type = severity === "critical" ? "square" : "sine";
      tone.frequency.value = pitch;
      // without a click where it begins and ends
      volume.gain.setValueAtTime(0, now + at);
      volume.gain.linearRampToValueAtTime(LOUD[severity], now + at + 0.02);
      volume.gain.setValueAtTime(LOUD[severity], now + at + long - 0.03);
      volume.gain.linearRampToValueAtTime(0, now + at + long);
      tone.connect(volume).connect(this.context.destination);
      tone.start(now + at);
      tone.stop(now + at + long);
    }
  }

  end() {
    for (const act of ["click", "keydown"]) document.removeEventListener(act, this.begin, true);
    if (this.context) this.context.close();
  }
}
