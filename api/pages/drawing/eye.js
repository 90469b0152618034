// What the camera sees now, behind what is drawn. A picture that is old never looks as if it were live.
// For a component that has `server`, `pictures` and `texts`.

import { fill } from "./words.js";

const NEXT_MS = 1000;
const BLIND_MS = 3000;
const OLD_S = 5;
const AGED_MS = 500;
const DECODED_MS = 2000;

export const eye = {
  data() {
    return {
      url: "",
      // how old it is, where that is to be said, and why no newer one comes
      aged: "",
      blind: "",
      // held as it is, to draw on
      frozen: false,
    };
  },

  mounted() {
    if (this.pictures) {
      this.see();
      // by itself: an answer that does not come makes the picture older, too
      this.aging = setInterval(this.age, AGED_MS);
    } else this.aged = this.texts.no_pictures;
  },

  unmounted() {
    this.shut = true;
    clearTimeout(this.seeing);
    clearInterval(this.aging);
    if (this.url) URL.revokeObjectURL(this.url);
  },

  methods: {
    async see() {
      if (!document.hidden && !this.frozen) {
        const asked = performance.now();
        const { url, age, why } = await this.server.picture();
        if (this.shut) return;
        if (url) {
          const before = this.url;
          [this.url, this.taken, this.blind] = [url, asked - age * 1000, ""];
          // it is on the screen until the newer one is decoded
          if (before) setTimeout(() => URL.revokeObjectURL(before), DECODED_MS);
        } else this.blind = why;
      }
      this.age();
      this.seeing = setTimeout(this.see, this.blind ? BLIND_MS : NEXT_MS);
    },

    age() {
      const age = this.url ? (performance.now() - this.taken) / 1000 : null;
      if (age === null) this.aged = this.blind ? this.texts.no_picture : "";
      else this.aged = age > OLD_S ? fill(this.frozen ? this.texts.frozen : this.texts.old, { n: Math.floor(age) }) : "";
    },

    // the size of its pictures; null where none comes
    async measured() {
      const { url } = this.pictures ? await this.server.picture() : {};
      if (!url) return null;
      const image = new Image();
      image.src = url;
      await image.decode();
      URL.revokeObjectURL(url);
      return [image.naturalWidth, image.naturalHeight];
    },
  },
};
