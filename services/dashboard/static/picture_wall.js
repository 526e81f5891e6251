// The cameras' pictures in a wall, or one of them large: what the components of a running studio (pictures_view.js) and
// of a take (take_pictures.js) have in common. Each camera has a canvas, and in a take its video beneath.
export const TEMPLATE = `
  <div :class="['mv-pictures', films ? 'mv-take-pictures' : '']" data-drawn="0" data-pictures="0" tabindex="0"
       @keydown.esc="large = null">
    <div class="mv-picture-tools">
      <label><input type="checkbox" v-model="layers.seen"> seen by this camera</label>
      <label><input type="checkbox" v-model="layers.fused"> fused, drawn into it</label>
      <button v-if="large" type="button" class="mv-play" @click="large = null" aria-label="All cameras">▦</button>
    </div>
    <div :class="['mv-wall', large ? 'mv-one' : '']" :style="{ '--columns': Math.ceil(Math.sqrt(shown.length)) }">
      <figure v-for="camera in shown" :key="camera.name">
        <div class="mv-film-cell" :style="{ aspectRatio: camera.size[0] + ' / ' + camera.size[1] }">
          <video v-if="films" :ref="'video ' + camera.name" muted playsinline preload="auto" @seeked="redraw"
                 @loadeddata="redraw" :aria-label="'Video of camera ' + camera.name"></video>
          <canvas :ref="'picture ' + camera.name" tabindex="0" role="button"
                  :aria-label="'Camera ' + camera.name + (large ? ': show all' : ': show large')"
                  @click="toggle(camera.name)" @keydown.enter="toggle(camera.name)"></canvas>
        </div>
        <figcaption>{{ camera.name }} <span class="mv-quiet">{{ states[camera.name] }}</span></figcaption>
      </figure>
    </div>
  </div>`;

// Whoever uses it has redraw(), and changed() for when other cameras are shown.
export const wall = {
  props: { room: Object },

  data() {
    return { large: null, layers: { seen: true, fused: true }, states: {} };
  },

  computed: {
    shown() {
      return this.room.cameras.filter(({ name }) => !this.large || name === this.large);
    },
  },

  watch: {
    large() {
      this.$nextTick(() => this.changed());
    },
    layers: { deep: true, handler() { this.redraw(); } },
  },

  mounted() {
    this.resizer = new ResizeObserver(() => this.redraw());
    this.resizer.observe(this.$el);
  },

  beforeUnmount() {
    this.resizer.disconnect();
  },

  methods: {
    toggle(name) {
      this.large = this.large ? null : name;
    },

    // What is of one camera: its "picture" (a canvas) or its "video"; none while it is not shown.
    partOf(camera, what) {
      return [this.$refs[`${what} ${camera}`]].flat()[0];
    },
  },
};
