// The editor of one camera's scene: the picture with its tools at the left, what is drawn, the rules, a
// trial and the revisions at the right. Nothing that is drawn is in force before it is saved, and what
// is not saved is kept in this tab, whatever happens to the server.

import { Canvas } from "drawing/canvas.js";
import { eye } from "drawing/eye.js";
import { History } from "drawing/history.js";
import { Past } from "drawing/past.js";
import { Places } from "drawing/places.js";
import { Rules } from "drawing/rules.js";
import { added, alike, called, dependents, freeName, located, shapeId, shape, without, withoutPoint } from "drawing/scene.js";
import { Server, why } from "drawing/server.js";
import { Trial } from "drawing/trial.js";
import { fill } from "drawing/words.js";

const CHECK_MS = 400;
const TOOLS = [["select", "v"], ["zone", "z"], ["line", "l"], ["mark", "m"], ["region", "g"]];
const TYPES = { lines: "line", zones: "zone", calibration: "mark", region: "region" };

export default {
  components: { Canvas, History, Places, Rules, Trial },
  mixins: [eye],

  template: `
    <section class="mk-editor" :aria-label="texts.title">
      <header class="mk-editor-head">
        <a class="mk-back-way" href="/room/cameras">{{ texts.cameras }}</a>
        <h2 dir="auto" :title="name + ' (' + camera + ')'">{{ name }}</h2>
        <div v-if="scene && !locked" class="mk-tools" role="toolbar" :aria-label="texts.tools.title">
          <button v-for="[each, key] in tools" :key="each" type="button" :data-tool="each" :aria-pressed="tool === each ? 'true' : 'false'" :aria-keyshortcuts="key" :title="texts.tools.hints[each]" @click="use(each)">{{ texts.tools[each] }}</button>
        </div>
        <div v-if="scene && !locked" class="mk-steps">
          <button type="button" class="mk-undo" :disabled="!undoes" aria-keyshortcuts="Control+Z" :title="texts.undo_hint" @click="step('undo')">↶ <span>{{ texts.undo }}</span></button>
          <button type="button" class="mk-redo" :disabled="!redoes" aria-keyshortcuts="Control+Shift+Z" :title="texts.redo_hint" @click="step('redo')">↷ <span>{{ texts.redo }}</span></button>
        </div>
        <p class="mk-standing" role="status" :data-revision="base" :class="{ 'mk-dirty': dirty }">{{ standing }}</p>
        <form v-if="scene && !locked" class="mk-save" @submit.prevent="save">
          <input v-model="note" name="note" maxlength="200" autocomplete="off" dir="auto" :placeholder="texts.note" :aria-label="texts.note">
          <button type="submit" :disabled="!dirty || saving || fault !== null">{{ texts.save }}</button>
        </form>
      </header>
      <p v-if="locked" class="mk-hint mk-notice-line">{{ texts.read_only }}</p>
      <p v-if="failed" class="mk-refused" role="alert">{{ failed }} <button v-if="!scene" type="button" @click="load">{{ texts.again }}</button></p>
      <div v-if="conflict" class="mk-refused mk-conflict" role="alertdialog" :aria-label="texts.conflict">
        <p>{{ conflict }}</p><p>{{ texts.conflict_hint }}</p>
        <p class="mk-acts"><button type="button" class="mk-theirs" @click="settle(true)">{{ texts.theirs }}</button> <button type="button" class="mk-mine" @click="settle(false)">{{ texts.mine }}</button></p>
      </div>
      <p v-if="told" class="mk-notice-line mk-kept mk-told" role="status">{{ told }} <button type="button" @click="told = ''">{{ texts.close }}</button></p>
      <p v-if="newer" class="mk-notice-line mk-kept mk-newer" role="status">{{ fill(texts.newer, { n: inForce }) }} <button type="button" @click="settle(true)">{{ texts.theirs }}</button></p>
      <p v-if="kept" class="mk-notice-line mk-kept" role="status">{{ texts.kept }} <button type="button" @click="forget">{{ texts.forget }}</button></p>
      <p v-if="scene && fault" class="mk-refused mk-fault" role="alert" lang="en"><button v-if="faultShape" type="button" @click="pick(faultShape)">{{ texts.show }}</button> {{ fault.text }}</p>
      <div v-if="scene" class="mk-editor-body">
        <div class="mk-stage">
          <div class="mk-sheet" :style="{ maxWidth: 'calc((100vh - 13.5rem) * ' + scene.frame_size[0] / scene.frame_size[1] + ')' }">
            <Canvas ref="canvas" :scene="scene" :view="view" :tool="tool" :selected="selected" :point="point" :picture="url" :locked="locked" :lit="lit" :wrong="wrong" :texts="texts.canvas" :fill="fill"
                    @edit="put" @seal="past.seal()" @choose="choose" @made="made" @remove="remove" @done="use('select')" />
            <p v-if="aged" class="mk-age-line" role="status"><strong>{{ aged }}</strong> <span>{{ blind }}</span></p>
          </div>
          <p class="mk-hint mk-keys">{{ locked ? texts.read_only_keys : texts.keys[tool] }}
            <label v-if="pictures" class="mk-choice"><input type="checkbox" v-model="frozen"> {{ texts.freeze }}</label></p>
          <ul v-if="warnings.length" class="mk-warnings" lang="en"><li v-for="each in warnings" :key="each">{{ each }}</li></ul>
        </div>
        <aside class="mk-side">
          <div class="mk-tabs" role="tablist" @keydown="tabbed">
            <button v-for="each in tabs" :key="each" type="button" role="tab" :data-tab="each" :id="'mk-tab-' + each" :aria-selected="tab === each ? 'true' : 'false'" :tabindex="tab === each ? 0 : -1" aria-controls="mk-tabpanel" @click="tab = each">{{ texts.tabs[each] }}<span v-if="marked(each)" class="mk-flag" :title="fault.text">!</span></button>
          </div>
          <div id="mk-tabpanel" class="mk-tabpanel" role="tabpanel" :aria-labelledby="'mk-tab-' + tab">
            <Places v-if="tab === 'drawn'" :scene="scene" :view="view" :selected="selected" :point="point" :locked="locked" :fault="fault" :kinds="kinds" :texts="texts.places" :fill="fill" :server="server"
                    @edit="put" @seal="past.seal()" @pick="pick" @remove="remove" @view="look" />
            <Rules v-else-if="tab === 'rules'" :scene="scene" :view="view" :locked="locked" :fault="fault" :kinds="kinds" :texts="texts.rules" :fill="fill" @edit="put" @seal="past.seal()" @light="lit = $event" />
            <Trial v-else-if="tab === 'trial'" :scene="scene" :server="server" :kinds="kinds" :texts="texts.trial" :fill="fill" @light="lit = $event" />
            <History v-else :base="base" :number="inForce" :server="server" :locked="locked" :texts="texts.history" :fill="fill" @restore="restore" />
          </div>
        </aside>
      </div>
    </section>`,

  props: {
    camera: { type: String, required: true },
    name: { type: String, required: true },
    // of the camera's pictures, where they are known
    size: { type: Array, default: null },
    me: { type: String, required: true },
    token: { type: String, required: true },
    language: { type: String, required: true },
    // whether this person may change it, and see pictures
    edits: Boolean,
    pictures: Boolean,
    texts: { type: Object, required: true },
  },

  data() {
    return {
      scene: null, base: 0, saved: null, kinds: [], view: null,
      selected: null, point: null, tool: "select", tab: "drawn", tools: TOOLS,
      undoes: false, redoes: false,
      fault: null, warnings: [], failed: "", conflict: "", kept: false,
      saving: false, note: "", lit: [],
      // what is to be known and is no mistake
      told: "",
      // by which revision its worker watches
      inForce: null,
    };
  },

  created() {
    this.server = new Server(this.camera, this.token, this.language, this.texts);
    this.drawer = `matakota-scene/${this.me}/${this.camera}`;
    this.past = new Past(null);
  },

  mounted() {
    document.addEventListener("keydown", this.typed);
    this.load();
  },

  unmounted() {
    document.removeEventListener("keydown", this.typed);
    clearTimeout(this.checking);
  },

  computed: {
    locked() {
      return !this.edits;
    },
    tabs() {
      return this.locked ? ["drawn", "rules", "history"] : ["drawn", "rules", "trial", "history"];
    },
    dirty() {
      return this.scene !== null && !alike(this.scene, this.saved);
    },
    // somebody else saved since it was loaded
    newer() {
      return this.inForce !== null && this.inForce > this.base && !this.saving;
    },
    // what is in force, in a few words
    standing() {
      if (!this.scene) return this.failed ? "" : this.texts.loading;
      if (this.saving) return this.texts.saving;
      if (this.dirty) return this.texts.unsaved;
      if (!this.base) return this.texts.nothing_drawn;
      if (this.inForce !== null && this.inForce < this.base) return fill(this.texts.awaited, { n: this.base });
      return fill(this.inForce === this.base ? this.texts.in_force : this.texts.stored, { n: this.base });
    },
    faultShape() {
      const found = this.fault && this.fault.at;
      if (!found) return null;
      if (found.index === null) return found.field === "region" && Array.isArray(this.scene.region) ? "region-0" : null;
      const type = TYPES[found.list];
      return type ? shapeId(type, found.index) : null;
    },
    wrong() {
      return this.faultShape && this.fault.at.view === this.view ? [this.faultShape] : [];
    },
  },

  watch: {
    scene() {
      clearTimeout(this.checking);
      if (!this.locked) this.checking = setTimeout(this.check, CHECK_MS);
    },
  },

  methods: {
    fill,

    // --- from the server

    async load() {
      this.failed = "";
      const [revisions, kinds] = await Promise.all([this.server.revisions(), this.server.kinds()]);
      // of a camera on which nothing was drawn there is no scene to be had
      const drawn = revisions.status === 200 && revisions.body.scenes.length > 0;
      const found = drawn ? await this.server.scene() : { status: 200, body: { revision: 0, scene: {} } };
      const wrong = [revisions, kinds, found].find(({ status }) => status !== 200);
      if (wrong) {
        this.failed = why(wrong.body.detail);
        return;
      }
      const { scene, revision } = found.body;
      scene.frame_size ||= this.size || (await this.measured());
      if (!scene.frame_size) {
        this.failed = this.texts.no_size;
        return;
      }
      [this.kinds, this.base, this.saved] = [kinds.body.kinds, revision, scene];
      // before anything else is kept
      const kept = JSON.parse(sessionStorage.getItem(this.drawer) || "null");
      this.past = new Past(scene);
      this.show();
      this.recall(kept);
    },

    // what somebody drew before, and never saved
    recall(kept) {
      if (!kept || this.locked || alike(kept.scene, this.saved)) return;
      // before it is kept again: of what it was drawn on, and not of what is in force by now
      this.base = kept.base;
      this.put(kept.scene);
      this.kept = true;
    },

    // from the page: by which revision the camera's worker watches now
    follow(revision) {
      this.inForce = revision;
    },

    async check() {
      const scene = this.scene;
      const { status, body } = await this.server.check(scene);
      // another one was drawn meanwhile
      if (scene !== this.scene) return;
      if (status !== 200) {
        this.failed = why(body.detail);
        return;
      }
      this.failed = "";
      this.fault = body.error ? { text: body.error.text, at: located(body.error.where || []) } : null;
      this.warnings = body.warnings || [];
    },

    async save() {
      if (!this.dirty || this.saving || this.locked) return;
      const sent = this.scene;
      this.saving = true;
      const { status, body } = await this.server.save(this.base, sent, this.note.trim());
      [this.saving, this.failed, this.told] = [false, "", ""];
      if (status === 200) {
        [this.base, this.saved, this.note, this.kept] = [body.revision, sent, "", false];
        // it is in force although the camera's worker could not try it
        this.told = body.unchecked || "";
        this.past.seal();
        this.keep();
      } else if (status === 409) this.conflict = why(body.detail);
      else this.failed = why(body.detail);
    },

    // somebody else was first: take theirs, or go on knowing that
    async settle(theirs) {
      const { status, body } = await this.server.scene();
      if (status !== 200) {
        this.failed = why(body.detail);
        return;
      }
      this.conflict = "";
      [this.base, this.saved] = [body.revision, body.scene];
      if (theirs) this.put(body.scene);
      this.keep();
    },

    restore(scene, note) {
      this.put(scene);
      this.note = note;
      this.look(null);
    },

    // --- what is drawn

    put(scene, key = null) {
      if (this.locked || alike(scene, this.scene)) return;
      this.told = "";
      this.past.put(scene, key);
      this.show();
    },

    step(which) {
      if (this.locked || !this.past[which]()) return;
      this.show();
    },

    show() {
      [this.scene, this.undoes, this.redoes] = [this.past.now, this.past.undoes, this.past.redoes];
      if (this.view !== null && !(this.scene.presets || [])[this.view]) this.view = null;
      if (this.selected && !shape(this.scene, this.view, this.selected)) this.choose(null, null);
      this.keep();
    },

    // in this tab, until it is saved
    keep() {
      if (this.dirty && !this.locked) sessionStorage.setItem(this.drawer, JSON.stringify({ base: this.base, scene: this.scene }));
      else if (this.scene && this.saved) sessionStorage.removeItem(this.drawer);
    },

    forget() {
      this.kept = false;
      this.put(this.saved);
    },

    look(view) {
      this.view = view;
      this.choose(null, null);
    },

    use(tool) {
      this.tool = tool;
      if (tool !== "select") this.choose(null, null);
      if (tool === "region" && this.view !== null) this.view = null;
    },

    made(type, points) {
      const list = { line: "lines", zone: "zones" }[type];
      const { scene, id } = added(this.scene, this.view, type, points, list ? freeName(this.scene, list, this.texts.names[type]) : "");
      this.put(scene);
      this.use("select");
      this.pick(id);
      this.$nextTick(() => this.$refs.canvas.focus(id));
    },

    choose(id, point) {
      [this.selected, this.point] = [id, point];
      if (id !== null) this.lit = [];
    },

    // from a list: it is shown where it is drawn, too
    pick(id) {
      if (this.fault && id === this.faultShape && this.view !== this.fault.at.view) this.view = this.fault.at.view;
      this.tool = "select";
      this.tab = "drawn";
      this.choose(id, null);
    },

    remove(id, point = null) {
      const next = point === null ? null : withoutPoint(this.scene, this.view, id, point);
      if (point !== null && next === null) return;
      if (next) {
        this.put(next);
        this.choose(id, null);
        this.$refs.canvas.focus(id);
        return;
      }
      const gone = dependents(this.scene, this.view, id);
      this.put(without(this.scene, this.view, id));
      this.choose(null, null);
      if (gone.length) this.told = fill(this.texts.gone_too, { names: gone.map((each) => called(each, this.kinds)).join(", ") });
    },

    // --- keys

    typed(event) {
      const writes = ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
      const key = event.key.toLowerCase();
      if ((event.ctrlKey || event.metaKey) && !event.altKey) {
        // a field that is written in has its own way back
        if (key === "s") {
          if (writes) this.written(event.target);
          this.save();
        } else if (key === "z" && !writes) this.step(event.shiftKey ? "redo" : "undo");
        else if (key === "y" && !writes) this.step("redo");
        else return;
        event.preventDefault();
        return;
      }
      if (writes || event.altKey || this.locked || !this.scene) return;
      const found = TOOLS.find(([, letter]) => letter === key);
      if (found) this.use(found[0]);
      else if (key === "escape" && this.tool !== "select") this.use("select");
      else return;
      event.preventDefault();
    },

    // what stands in a field that somebody still writes in
    written(field) {
      field.blur();
      field.focus();
    },

    tabbed(event) {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      this.tab = this.tabs[(this.tabs.indexOf(this.tab) + by + this.tabs.length) % this.tabs.length];
      this.$nextTick(() => document.getElementById(`mk-tab-${this.tab}`).focus());
      event.preventDefault();
    },

    marked(tab) {
      if (!this.fault) return false;
      return (this.fault.at.list === "rules" ? "rules" : "drawn") === tab;
    },
  },
};
