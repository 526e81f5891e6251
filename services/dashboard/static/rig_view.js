// Calibrated cameras in 3D, as a component of NiceGUI.
import { Room } from "/own/scene3d.js";

export default {
  template: `<div class="mv-rig" tabindex="0" @keydown="key"></div>`,
  props: { room: Object },

  mounted() {
    try {
      this.view = new Room(this.$el, this.room);
    } catch (error) {
      this.$el.textContent = `This browser cannot draw in 3D (WebGL): ${error.message}`;
    }
  },

  beforeUnmount() {
    this.view?.close();
  },

  methods: {
    key(event) {
      const action = { a: "showAll", t: "showTop", f: "showFront" }[event.key.toLowerCase()];
      if (action && !event.ctrlKey && !event.metaKey && !event.altKey) this.view[action]();
    },
  },
};
