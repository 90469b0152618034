// Calls whoever does not look at the page just now: by sound, and on the desktop while another
// window is in front. Both can be switched off, here and for this browser.
import { keep, kept } from "desk";
import { fill } from "live";
import { Sound } from "sound";

const WORST = ["critical", "high", "medium", "low"];
// so long after a sound nothing but something worse is heard
const QUIET_MS = 2000;
// so often those that are critical are heard again
const AGAIN_MS = 5000;
// so many notices of their own in so long; then there is one of all the others
const NOTICES = 3;
const NOTICES_MS = 10000;

export default {
  template: `
    <span class="mk-calls">
      <button type="button" class="mk-sound" :data-sound="sound" :title="texts.sounds[sound].more" :aria-label="texts.sounds[sound].name" aria-keyshortcuts="m" @click="pressed">
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 9v6h4l6 5V4L7 9z"/><path v-if="sound === 'on'" d="M16 8q4 4 0 8M19 5q7 7 0 14" class="mk-stroke"/><path v-else d="M16 9l6 6M22 9l-6 6" class="mk-stroke"/></svg>
        <span v-if="sound !== 'on'">{{ texts.sounds[sound].name }}</span>
      </button>
      <button v-if="offers" type="button" class="mk-desktop" :aria-pressed="notifies ? 'true' : 'false'" :title="texts.desktop.more" :aria-label="texts.desktop.name" @click="ask">
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M2 4h20v13H2z" class="mk-stroke"/><path d="M8 21h8M12 17v4" class="mk-stroke"/><path v-if="notifies" d="M6 8h8v5H6z"/></svg>
      </button>
    </span>`,

  props: {
    // how many critical ones nobody has acknowledged, for whoever can
    alarms: { type: Number, default: 0 },
    texts: { type: Object, required: true },
  },

  data() {
    const can = window.isSecureContext && "Notification" in window;
    return {
      muted: kept("muted") === "yes",
      audible: false,
      permission: can ? Notification.permission : "denied",
      wants: kept("notify") === "yes",
    };
  },

  computed: {
    sound() {
      if (this.muted) return "muted";
      return this.audible ? "on" : "blocked";
    },
    offers() {
      return this.permission !== "denied";
    },
    notifies() {
      return this.wants && this.permission === "granted";
    },
    sounds() {
      return this.sound === "on" && this.alarms > 0;
    },
  },

  watch: {
    // what came while the browser was silent is heard as soon as it can be
    sound(now, before) {
      if (now === "on" && before === "blocked" && this.unheard) this.ring(this.unheard);
      this.unheard = null;
    },
    sounds: {
      immediate: true,
      handler(sounds) {
        clearInterval(this.again);
        if (!sounds) return;
        this.ring("critical");
        this.again = setInterval(() => this.ring("critical"), AGAIN_MS);
      },
    },
  },

  created() {
    this.player = new Sound(() => {
      this.audible = this.player.audible;
    });
    this.audible = this.player.audible;
    this.rung = null;
    // the worst that came while the browser was silent
    this.unheard = null;
    this.rungAt = -Infinity;
    this.notices = new Map();
    this.noticed = [];
  },

  unmounted() {
    clearInterval(this.again);
    this.player.end();
    for (const notice of this.notices.values()) notice.close();
  },

  methods: {
    // alerts that nobody has seen yet
    arrived(alerts) {
      if (!alerts.length) return;
      const worst = WORST.find((severity) => alerts.some((alert) => alert.severity === severity));
      if (this.sound === "on") this.ring(worst);
      else if (this.sound === "blocked") this.unheard = WORST.find((severity) => [worst, this.unheard].includes(severity));
      if (this.notifies && (document.hidden || !document.hasFocus())) this.notify(alerts);
    },

    // somebody saw to these
    settled(ids) {
      for (const id of ids) {
        if (this.notices.has(id)) this.notices.get(id).close();
        this.notices.delete(id);
      }
    },

    ring(severity) {
      const now = performance.now();
      const quiet = now - this.rungAt < QUIET_MS;
      if (quiet && WORST.indexOf(severity) >= WORST.indexOf(this.rung)) return;
      [this.rung, this.rungAt] = [severity, now];
      this.player.play(severity);
    },

    // the button: what is blocked begins, what sounds is muted, and what begins is heard once
    pressed() {
      const was = this.sound;
      this.player.begin();
      this.mute(was === "on");
      if (was !== "on") setTimeout(() => this.ring("high"), 100);
    },

    mute(muted) {
      this.muted = muted;
      keep("muted", muted ? "yes" : "no");
    },

    async ask() {
      const wants = !this.notifies;
      if (wants && this.permission === "default") this.permission = await Notification.requestPermission();
      this.wants = wants && this.permission === "granted";
      keep("notify", this.wants ? "yes" : "no");
    },

    notify(alerts) {
      const now = performance.now();
      this.noticed = this.noticed.filter((at) => now - at < NOTICES_MS);
      const fit = Math.max(0, NOTICES - this.noticed.length);
      const sorted = [...alerts].sort((a, b) => WORST.indexOf(a.severity) - WORST.indexOf(b.severity));
      for (const alert of sorted.slice(0, fit)) {
        this.noticed.push(now);
        const title = `${this.texts.severities[alert.severity]}: ${alert.title}`;
        this.show(alert.id, title, `${alert.where}\n${alert.date}`, alert.severity === "critical", () => this.$emit("look", alert.id));
      }
      const others = sorted.length - fit;
      if (others > 0) this.show("", fill(this.texts.desktop.others, { n: others }), "", false, () => {});
    },

    show(id, title, body, stays, pressed) {
      try {
        const notice = new Notification(title, { body, tag: `matakota ${id}`, requireInteraction: stays, silent: true });
        notice.onclick = () => {
          window.focus();
          notice.close();
          pressed();
        };
        notice.onclose = () => this.notices.delete(id);
        this.notices.set(id, notice);
      } catch {
        // telephones have the word, and show nothing
        this.permission = "denied";
      }
    },
  },
  emits: ["look"],
};
