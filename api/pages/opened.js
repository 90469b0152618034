// The alert that is opened, and its forms. What the server sends while somebody writes changes what
// is shown of the alert, and never the form.

import { onPlan, planned } from "desk";
import { fill, join } from "live";
import Tile from "tile";

const WAIT_MS = 15000;
const DRAFTS = 20;

// which acts are possible; the server decides
const ACTS = {
  new: ["acknowledge", "assign", "resolve", "merge"],
  acknowledged: ["assign", "resolve", "merge"],
  assigned: ["assign", "resolve", "merge"],
  resolved: ["reopen"],
};

export default {
  components: { "mk-tile": Tile },

  template: `
    <section v-if="alert || choices" class="mk-panel" role="region" :aria-label="alert ? texts.panel : texts.by_hand"
             :data-alert="alert ? alert.id : null">
      <header :class="alert ? 'mk-' + alert.severity : null">
        <h2 ref="head" tabindex="-1" dir="auto">{{ alert ? alert.title : texts.by_hand }}</h2>
        <button type="button" class="mk-close" @click="close">{{ texts.close }}</button>
        <p v-if="alert"><bdi>{{ alert.where }}</bdi> · <time>{{ alert.date }}</time></p>
      </header>
      <template v-if="alert">
        <p v-if="alert.why" class="mk-why" dir="auto" :lang="alert.why_lang">{{ alert.why }}</p>
        <p v-if="alert.said" class="mk-said">{{ alert.said }}</p>
        <section class="mk-evidence" :aria-label="texts.evidence">
          <p v-if="no_evidence" class="mk-hint">{{ no_evidence }}</p>
          <figure v-for="item in evidence" :key="alert.id + ' ' + item.form" :data-evidence="item.form">
            <img v-if="item.src && item.form === 'snapshot'" :src="item.src" :alt="item.name">
            <video v-if="item.src && item.form === 'clip'" controls preload="none" :src="item.src" :aria-label="item.name"></video>
            <figcaption>
              <span class="mk-span">{{ item.name }}</span>
              <span v-for="said in item.said" :key="said" class="mk-hint">{{ said }}</span>
              <button v-if="item.ask" type="button" data-act="mask" @click="$emit('mask', { id: alert.id, form: item.form })">{{ item.ask }}</button>
              <a v-if="item.original" :href="item.original" download>{{ texts.original }}</a>
            </figcaption>
          </figure>
        </section>
      </template>
      <div v-if="acts && alert && !form" class="mk-acts">
        <button v-if="can('acknowledge')" type="button" data-act="acknowledge" :disabled="sending" @click="acknowledge">{{ texts.acts.acknowledge }}</button>
        <button v-if="can('assign') && !mine && people.includes(me)" type="button" data-act="mine" :disabled="sending" @click="take">{{ texts.mine }}</button>
        <button v-for="act in forms" :key="act" type="button" :data-act="act" :disabled="sending" @click="begin(act)">{{ texts.acts[act] }}</button>
      </div>
      <p v-if="said && !form" class="mk-refused" role="alert">{{ said }}</p>
      <form v-if="form" ref="form" class="mk-form" :data-form="form.act" @submit.prevent="send" @keydown.enter="held">
        <template v-if="form.act === 'open'">
          <p v-if="!choices.cameras.length">{{ texts.no_camera }}</p>
          <label>{{ texts.camera }}<select name="camera" v-model="form.camera" required><option v-for="each in choices.cameras" :key="each.id" :value="each.id">{{ each.name }}</option></select></label>
          <label>{{ texts.kind }}<select name="kind" v-model="form.kind" required><option v-for="each in choices.kinds" :key="each.id" :value="each.id">{{ each.name }}</option></select></label>
          <label>{{ texts.severity }}<select name="severity" v-model="form.severity" required><option v-for="each in choices.severities" :key="each.id" :value="each.id">{{ each.name }}</option></select></label>
        </template>
        <label v-if="form.act === 'assign'">{{ texts.to }}<select name="to" v-model="form.to" required><option v-for="name in people" :key="name" :value="name">{{ name }}</option></select></label>
        <fieldset v-if="form.act === 'resolve'">
          <legend>{{ texts.outcome }}</legend>
          <label v-for="(text, outcome) in texts.outcomes" :key="outcome" class="mk-choice"><input type="radio" name="outcome" :value="outcome" v-model="form.outcome" required> {{ text }}</label>
        </fieldset>
        <template v-if="form.act === 'merge'">
          <label>{{ texts.into }}<select name="into" v-model="form.into"><option value="">{{ texts.choose }}</option><option v-for="each in others" :key="each.id" :value="each.id">{{ each.name }}</option></select></label>
          <label>{{ texts.into_id }}<input name="into_id" v-model.trim="form.into_id" maxlength="80" autocomplete="off" spellcheck="false" :required="!form.into"></label>
        </template>
        <label v-if="noted">{{ alert ? texts.note : texts.saw }}<textarea name="note" v-model="form.note" rows="4" :maxlength="most" dir="auto" aria-describedby="mk-note-hint"></textarea></label>
        <p v-if="noted" id="mk-note-hint" class="mk-hint">{{ texts.note_hint }}</p>
        <p v-if="stale" class="mk-stale" role="alert">{{ fill(texts.stale, { said: alert.said }) }}</p>
        <p v-if="form.said && !stale" class="mk-refused" role="alert">{{ form.said }}</p>
        <p class="mk-acts">
          <button v-if="stale && can(form.act)" type="button" class="mk-go-on" @click="form.edit = alert.edit">{{ texts.go_on }}</button>
          <button v-if="!stale" type="submit" :disabled="sending">{{ texts.send[form.act] }}</button>
          <button type="button" class="mk-cancel" @click="escape">{{ texts.cancel }}</button>
        </p>
      </form>
      <template v-if="alert">
        <details class="mk-advice">
          <summary>{{ texts.advice }}</summary>
          <template v-if="advice">
            <p class="mk-long">{{ advice.text }}</p>
            <ul v-if="advice.telephones.length">
              <li v-for="each in advice.telephones" :key="each.href + each.name"><a :href="each.href" :aria-label="fill(texts.call, each)">{{ each.name }} <span>{{ each.number }}</span></a></li>
            </ul>
          </template>
          <p v-else>{{ texts.no_advice }}</p>
        </details>
        <section v-if="near.length" class="mk-near" :aria-label="texts.near">
          <h3>{{ texts.near }}</h3>
          <mk-tile v-for="each in near" :key="each.id" :camera="each" :live="live" :texts="tiles"></mk-tile>
        </section>
        <dl class="mk-facts"><template v-for="fact in facts" :key="fact.name"><dt>{{ fact.name }}</dt><dd dir="auto" class="mk-long">{{ fact.text }}</dd></template></dl>
        <details class="mk-history" open>
          <summary>{{ texts.history }}</summary>
          <ol v-if="history.length">
            <li v-for="(entry, i) in history" :key="i"><time>{{ entry.time }}</time> <bdi>{{ entry.by }}</bdi>: {{ entry.what }}<span v-if="entry.more" dir="auto">, {{ entry.more }}</span></li>
          </ol>
          <p v-else>{{ texts.nothing }}</p>
        </details>
        <details class="mk-way">
          <summary>{{ texts.way }}</summary>
          <table><tbody><tr v-for="part in way" :key="part.name"><th scope="row">{{ part.name }}</th><td>{{ part.time }}</td><td>{{ part.took }}</td></tr></tbody></table>
        </details>
      </template>
    </section>`,

  props: {
    acts: Boolean,
    me: { type: String, default: "" },
    most: { type: Number, required: true },
    // of the socket that brings pictures; none for whoever sees none
    path: String,
    texts: { type: Object, required: true },
    // what cameras say
    tiles: { type: Object, required: true },
  },
  emits: ["acknowledge", "assign", "close", "glance", "mask", "merge", "open", "reopen", "resolve"],

  data() {
    return {
      alert: null,
      // what an incident can be that is opened by hand, while its form is shown
      choices: null,
      facts: [], way: [], history: [], advice: null, people: [], others: [],
      // the cameras that show how it is there now
      near: [],
      // what shows what happened, why there is none, and after how long to look whether more came
      evidence: [], no_evidence: "", glance_ms: 0,
      form: null,
      // why something that has no form was not done
      said: "",
      sending: false,
    };
  },

  created() {
    // notes that were not sent, by alert and act
    this.drafts = new Map();
    this.viewer = join(this.path);
    this.live = this.viewer.live;
  },

  mounted() {
    document.addEventListener("keydown", this.pressed);
    this.unplanned = onPlan(this.follow);
  },

  unmounted() {
    document.removeEventListener("keydown", this.pressed);
    this.unplanned();
    this.viewer.leave();
    clearTimeout(this.timer);
    clearTimeout(this.glances);
  },

  computed: {
    mine() {
      return this.alert.status === "assigned" && this.alert.assigned === this.me;
    },
    forms() {
      return ACTS[this.alert.status].filter((act) => act !== "acknowledge");
    },
    noted() {
      return ["resolve", "reopen", "open"].includes(this.form.act);
    },
    // somebody did something since the form was opened
    stale() {
      // how it is now may come before the answer to what was sent
      return !this.sending && this.form.act !== "open" && this.alert.edit !== this.form.edit;
    },
  },

  methods: {
    fill,

    can(act) {
      return act === "open" || ACTS[this.alert.status].includes(act);
    },

    // --- from the server

    // an alert that somebody asked for
    show(detail) {
      this.leave();
      this.choices = null;
      this.take_over(detail);
      this.$nextTick(this.begun);
    },

    // how the alert that is shown is now
    renew(detail) {
      if (this.alert && this.alert.id === detail.alert.id && this.alert.position <= detail.alert.position) this.take_over(detail);
    },

    // the form of an incident that is opened by hand
    compose(choices) {
      clearTimeout(this.glances);
      this.leave();
      this.alert = null;
      this.viewer.wish([]);
      this.choices = choices;
      const [camera, kind] = [choices.cameras[0], choices.kinds[0]];
      this.form = { act: "open", edit: 0, note: this.drafts.get("open") || "", said: "", camera: camera && camera.id, kind: kind.id, severity: "medium" };
      this.$nextTick(() => this.$refs.head.focus());
    },

    // whether what was sent, of an alert or of none, is of what is shown: answers come late, too
    shows(id, act) {
      return (this.alert ? this.alert.id : null) === id && (!this.form || this.form.act === act);
    },

    // what was sent is done; of an alert, how it is now was sent before
    done(id, act) {
      if (!this.shows(id, act)) return;
      this.settled();
      if (!this.form) return;
      this.drafts.delete(this.draft());
      this.form = null;
      if (this.choices) this.close();
      else this.$nextTick(this.begun);
    },

    // what was sent is not done, and why
    refused(id, act, why) {
      if (!this.shows(id, act)) return;
      this.settled();
      // it was meant for how the alert would have been
      if (this.alert) planned(this.alert.id);
      if (this.form) this.form.said = why;
      else this.said = why;
    },

    // the alert is not to be seen any more
    shut() {
      clearTimeout(this.glances);
      this.leave();
      this.alert = this.choices = null;
      this.viewer.wish([]);
    },

    take_over(detail) {
      Object.assign(this, detail);
      this.viewer.wish(this.near.map((each) => each.id));
      clearTimeout(this.glances);
      if (this.glance_ms) this.glances = setTimeout(() => this.$emit("glance", this.alert.id), this.glance_ms);
    },

    settled() {
      clearTimeout(this.timer);
      this.sending = false;
    },

    // --- what its person does

    acknowledge() {
      this.$refs.head.focus();
      this.say("acknowledge", [this.alert.id]);
    },

    take() {
      this.$refs.head.focus();
      this.say("assign", { id: this.alert.id, edit: this.alert.edit, to: this.me });
    },

    begin(act) {
      this.said = "";
      this.form = { act, edit: this.alert.edit, note: "", said: "", to: this.me, outcome: null, into: "", into_id: "" };
      if (!this.people.includes(this.me)) this.form.to = this.people[0];
      this.form.note = this.drafts.get(this.draft()) || "";
      this.$nextTick(() => [...this.$refs.form.elements].find((each) => each.name).focus());
    },

    begun() {
      this.$refs.head?.focus();
      this.follow();
    },

    // what keys ask for is in a form first, where one key more sends it and Escape does not
    follow() {
      // what is sent just now is answered first
      const act = this.alert && !this.sending && planned(this.alert.id);
      if (!act) return;
      if (act === "close") this.close();
      else if (act === "reopen") this.prepare("reopen");
      else this.prepare("resolve", act);
    },

    prepare(act, outcome = null) {
      if (!this.acts || !this.can(act)) return;
      if (!this.form || this.form.act !== act) {
        this.leave();
        this.begin(act);
      }
      if (outcome) this.form.outcome = outcome;
      this.$nextTick(() => this.$refs.form.querySelector("[type=submit]")?.focus());
    },

    // a key that is held down sends nothing that it did not begin with
    held(event) {
      if (event.repeat && event.target.tagName !== "TEXTAREA") event.preventDefault();
    },

    send() {
      if (this.sending || this.stale) return;
      const form = this.form;
      form.said = "";
      const values = { edit: form.edit };
      if (this.alert) values.id = this.alert.id;
      if (this.noted) values.note = form.note;
      if (form.act === "assign") values.to = form.to;
      if (form.act === "resolve") values.outcome = form.outcome;
      if (form.act === "merge") values.into = form.into_id || form.into;
      if (form.act === "open") Object.assign(values, { camera: form.camera, kind: form.kind, severity: form.severity });
      this.say(form.act, values);
    },

    say(what, values) {
      this.said = "";
      this.sending = true;
      const id = this.alert ? this.alert.id : null;
      this.timer = setTimeout(() => this.refused(id, what, this.texts.unheard), WAIT_MS);
      this.$emit(what, values);
    },

    pressed(event) {
      if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open], :popover-open")) return;
      if (this.alert || this.choices) this.escape();
    },

    // the form first, then all of it
    escape() {
      if (!this.form || this.choices) {
        this.close();
        return;
      }
      this.leave();
      this.$nextTick(() => this.$refs.head.focus());
    },

    close() {
      this.shut();
      this.$emit("close");
    },

    draft() {
      return this.form.act === "open" ? "open" : `${this.alert.id} ${this.form.act}`;
    },

    // what was written is there again when the same form is opened again
    leave() {
      this.settled();
      this.said = "";
      if (!this.form) return;
      if (this.form.note) this.drafts.set(this.draft(), this.form.note);
      if (this.drafts.size > DRAFTS) this.drafts.delete(this.drafts.keys().next().value);
      this.form = null;
    },
  },
};
