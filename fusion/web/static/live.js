// The live view: messages come as fast as they are drawn, each the newest; see fusion/web/viewer.py.
import { byId, say } from "./tools.js";
import { Body } from "./body.js";
import { Panels } from "./panels.js";
import { People } from "./people.js";
import { Picture } from "./picture.js";
import { Traces } from "./traces.js";

const AGAIN_MS = 1500;
const ALIVE_MS = 5000;

export class Live {
  constructor(about) {
    this.about = about;
    this.picture = new Picture(about, () => this.tell());
    this.body = new Body(about);
    this.people = new People(about);
    this.traces = new Traces(about);
    this.panels = new Panels(about);
    this.drawn = 0;
    this.on = false;
    this.socket = null;
    say(byId("rig"), about.live.name);
    setInterval(() => this.send({ ok: this.drawn }), ALIVE_MS);
    document.addEventListener("visibilitychange", () => this.tell());
    this.connect();
  }

  shown(on) {
    this.on = on;
    this.tell();
    if (on) this.body.resize();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(`${scheme}//${location.host}/api/live`);
    this.socket.binaryType = "arraybuffer";
    this.drawn = 0;
    this.socket.addEventListener("open", () => this.tell());
    this.socket.addEventListener("message", (event) => this.take(event.data));
    this.socket.addEventListener("close", () => {
      this.link("off", "not connected");
      setTimeout(() => this.connect(), AGAIN_MS);
    });
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** Say what is looked at: what is not costs nothing. */
  tell() {
    const visible = this.on && !document.hidden;
    this.send({
      show: {
        picture: visible && this.picture.shows.picture,
        heatmap: visible && this.picture.shows.heat,
        traces: visible,
      },
    });
  }

  async take(data) {
    const length = new DataView(data).getUint32(0, true);
    const told = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    let at = 4 + length;
    try {
      if (told.view) {
        await this.picture.take(told.view, new Blob([new Uint8Array(data, at, told.view.bytes)], { type: "image/jpeg" }));
        at += told.view.bytes;
      }
      if (told.heat) {
        for (const map of told.heat) {
          map.cells = new Uint8Array(data, at, map.bytes);
          at += map.bytes;
        }
        this.picture.takeHeat(told.heat);
      }
      this.draw(told);
    } finally {
      this.drawn = told.n;
      this.send({ ok: this.drawn });
    }
  }

  draw(told) {
    if (told.pose) {
      this.picture.pose(told.pose);
      this.body.pose(told.pose);
      this.people.pose(told.pose);
      this.panels.pose(told.pose, told.now);
    }
    if (told.traces) this.traces.take(told.traces, told.now);
    if (told.timeline) this.panels.timeline(told.timeline);
    if (told.events) this.panels.events(told.events);
    if (told.told) this.panels.told(told.told);
    if (told.slow) {
      this.panels.slow(told.slow);
      const rate = told.slow.meter.poses_per_s;
      if (told.slow.ended) this.link("off", "tracking ended");
      else this.link("live", rate ? `live · ${rate.toFixed(0)} poses/s` : "live");
    }
  }

  link(state, words) {
    byId("link").dataset.state = state;
    if (byId("link").textContent !== words) byId("link").textContent = words;
  }
}
