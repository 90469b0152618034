// What the list of alerts does by keys, and which ones there are, over the page until it is closed.
import { isTyping, plans } from "desk";

export const keyed = {
  mounted() {
    document.addEventListener("keydown", this.pressed);
    document.addEventListener("focusin", this.focused);
    document.addEventListener("pointerdown", this.let_go);
  },

  unmounted() {
    document.removeEventListener("keydown", this.pressed);
    document.removeEventListener("focusin", this.focused);
    document.removeEventListener("pointerdown", this.let_go);
  },

  methods: {
    row(id) {
      return this.rows().find((each) => each.dataset.alert === id);
    },

    focused(event) {
      this.held = event.target.closest?.(".mk-alert")?.dataset.alert ?? null;
    },

    let_go() {
      this.held = null;
    },

    // the alert that a key is for: the one with the focus, or else the one that is asked for, or
    // else the one that is opened; none where the one with the focus went away
    current() {
      const active = document.activeElement;
      const row = active?.closest(".mk-alert");
      const held = row ? row.dataset.alert : active === document.body ? this.held : null;
      if (held && !this.row(held)) return undefined;
      return this.list.find((alert) => alert.id === (held ?? this.aimed ?? this.opened));
    },

    rows() {
      return [...this.$el.querySelectorAll(".mk-alert")];
    },

    // where in the list the current one is; where it was, if it is not in it any more
    place(by) {
      const here = this.current();
      const at = this.rows().findIndex((row) => here && row.dataset.alert === here.id);
      return at >= 0 || this.last === undefined ? at : this.last - Math.max(by, 0);
    },

    // to the next alert or the one before; where one is opened, that one is opened instead
    move(by) {
      const rows = this.rows();
      const at = this.place(by) + by;
      if (at >= rows.length && this.more) this.$emit("older", this.bottom);
      this.last = Math.min(Math.max(at, 0), rows.length - 1);
      const row = rows[this.last];
      if (!row) return;
      row.scrollIntoView({ block: "nearest" });
      if (by && (this.aimed ?? this.opened) !== null) {
        // the one before takes no key that is for the next one
        if (document.activeElement.closest(".mk-form, .mk-alert")) document.activeElement.blur();
        this.look(row.dataset.alert);
      } else row.querySelector(".mk-title").focus();
    },

    pressed(event) {
      if (event.repeat || isTyping(event)) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const act = {
        j: () => this.move(1),
        k: () => this.move(-1),
        a: () => this.act("acknowledge"),
        t: () => this.act("true"),
        f: () => this.act("false"),
        u: () => this.act("reopen"),
        x: () => this.act("pick"),
        n: () => this.acts && this.$emit("compose"),
        m: () => this.$refs.calls.pressed(),
        "/": () => this.$refs.narrow.focus(),
        "?": () => this.$refs.keys.open(),
      }[key];
      if (!act) return;
      event.preventDefault();
      act();
    },

    act(what) {
      const alert = this.current();
      if (!alert || !this.acts) return;
      this.last = this.place(0);
      if (what === "pick") {
        if (alert.status === "new") this.picked[alert.id] = !this.picked[alert.id];
      } else if (what === "acknowledge") {
        if (alert.status === "new") this.$emit("acknowledge", [alert.id]);
      } else if ((what === "reopen") === (alert.status === "resolved")) {
        if (alert.id !== (this.aimed ?? this.opened)) this.look(alert.id);
        plans(what, alert.id);
      }
    },
  },
};

export default {
  template: `
    <button type="button" class="mk-keys" aria-keyshortcuts="?" :title="texts.title" :aria-label="texts.title" @click="open">?</button>
    <dialog ref="dialog" class="mk-help" :aria-label="texts.title" @click="outside">
      <div>
        <h2>{{ texts.title }}</h2>
        <dl><template v-for="each in texts.all" :key="each.keys"><dt><kbd v-for="key in each.keys.split(' ')" :key="key">{{ key }}</kbd></dt><dd>{{ each.said }}</dd></template></dl>
        <p>{{ texts.fields }}</p>
        <button type="button" class="mk-close" @click="$refs.dialog.close()">{{ texts.close }}</button>
      </div>
    </dialog>`,

  props: { texts: { type: Object, required: true } },

  methods: {
    open() {
      if (!this.$refs.dialog.open) this.$refs.dialog.showModal();
    },

    outside(event) {
      if (event.target === this.$refs.dialog) this.$refs.dialog.close();
    },
  },
};
