// The videos in which the board was filmed, at one moment, as a component of NiceGUI: a click on a picture in which the
// board lies on the floor says so.
const STEP_S = 0.2;

export default {
  template: `
    <div class="mv-floor">
      <div class="mv-row">
        <button type="button" class="mv-play" aria-label="Earlier" @click="go(-1)">◀</button>
        <input class="mv-grow" type="range" :min="begins" :max="ends" step="any" v-model.number="now" aria-label="Moment of the recording">
        <button type="button" class="mv-play" aria-label="Later" @click="go(1)">▶</button>
        <output class="mv-figures">{{ (now - begins).toFixed(1) }} / {{ (ends - begins).toFixed(1) }} s</output>
      </div>
      <div class="mv-wall" :style="{ '--columns': Math.ceil(Math.sqrt(cameras.length)) }">
        <figure v-for="camera in cameras" :key="camera.name">
          <button type="button" class="mv-pick" :aria-label="'The board lies on the floor in camera ' + camera.name" @click="pick(camera)">
            <video :ref="'video ' + camera.name" muted playsinline preload="auto" :src="url(camera)"></video>
          </button>
          <figcaption>{{ camera.name }}</figcaption>
        </figure>
      </div>
    </div>`,
  props: { folder: String, cameras: Array },
  emits: ["pick"],

  data() {
    return { now: Math.max(...this.cameras.map(({ begins }) => begins)) };
  },

  computed: {
    begins() {
      return Math.min(...this.cameras.map(({ begins }) => begins));
    },
    ends() {
      return Math.max(...this.cameras.map(({ ends }) => ends));
    },
  },

  watch: {
    now() {
      this.place();
    },
  },

  mounted() {
    this.place();
  },

  methods: {
    url({ name }) {
      return `/videos/${this.folder}/${encodeURIComponent(name)}/0`;
    },

    go(steps) {
      this.now = Math.min(Math.max(this.now + steps * STEP_S, this.begins), this.ends);
    },

    secondsOf({ begins, ends }) {
      return Math.min(Math.max(this.now, begins), ends) - begins;
    },

    place() {
      for (const camera of this.cameras) {
        const video = [this.$refs[`video ${camera.name}`]].flat()[0];
        if (video) video.currentTime = this.secondsOf(camera);
      }
    },

    pick(camera) {
      this.$emit("pick", { camera: camera.name, seconds: this.secondsOf(camera) });
    },
  },
};
