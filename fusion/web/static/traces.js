// Signals of the last seconds: specific force or angular rate of each IMU, and the envelope of sound.
import { byId } from "./tools.js";
import { colours } from "./picture.js";

const SPAN_S = 8;
const ROWS = 500;
const REDRAW_MS = 66;
const AXES = ["right", "middle", "left"]; // x, y, z

export class Traces {
  constructor(about) {
    this.traces = new Map();
    this.shows = { force: true, turn: false };
    this.colours = colours();
    this.due = 0;
    for (const stream of about.live.streams) if (stream.kind === "imu" || stream.kind === "audio") this.add(stream);
    for (const name of ["force", "turn"]) {
      byId(`show-${name}`).addEventListener("click", () => {
        this.shows = { force: name === "force", turn: name === "turn" };
        for (const other of ["force", "turn"]) byId(`show-${other}`).setAttribute("aria-pressed", String(this.shows[other]));
      });
    }
    document.addEventListener("theme", () => { this.colours = colours(); });
  }

  add(stream) {
    const figure = document.createElement("figure");
    figure.className = "trace";
    const caption = document.createElement("figcaption");
    const name = document.createElement("span"), value = document.createElement("span");
    name.textContent = stream.worn_on ? stream.worn_on.replaceAll("_", " ") : stream.name;
    caption.append(name, value);
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", stream.kind === "imu" ? `Signal of the sensor ${stream.name}` : `Sound of ${stream.name}`);
    canvas.id = `trace-${stream.name}`;
    figure.append(caption, canvas);
    byId("traces").append(figure);
    this.traces.set(stream.name, { rows: [], canvas, value, sound: stream.kind === "audio" });
  }

  take(fresh, now) {
    for (const [name, rows] of Object.entries(fresh)) {
      const trace = this.traces.get(name);
      if (!trace) continue;
      trace.rows.push(...rows);
      if (trace.rows.length > ROWS) trace.rows.splice(0, trace.rows.length - ROWS);
      trace.canvas.dataset.rows = Number(trace.canvas.dataset.rows || 0) + rows.length;
    }
    const at = performance.now();
    if (at < this.due) return;
    this.due = at + REDRAW_MS;
    for (const trace of this.traces.values()) this.draw(trace, now);
  }

  draw(trace, now) {
    const { canvas, rows } = trace;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (!width || !rows.length) return;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const x = (t) => width * (1 - (now - t) / SPAN_S);
    const shown = rows.filter((row) => now - row[0] <= SPAN_S);
    if (trace.sound) this.sound(context, shown, x, height, trace);
    else this.axes(context, shown, x, height, trace, ratio);
  }

  axes(context, rows, x, height, trace, ratio) {
    const first = this.shows.turn && rows[0]?.length >= 7 ? 4 : 1;
    const least = first === 4 ? 2 : 15;
    const reach = Math.max(least, ...rows.flatMap((row) => row.slice(first, first + 3).map(Math.abs)));
    context.lineWidth = 1.4 * ratio;
    for (let axis = 0; axis < 3; axis++) {
      context.strokeStyle = this.colours[AXES[axis]];
      context.beginPath();
      rows.forEach((row, i) => {
        const y = height / 2 - (row[first + axis] / reach) * (height / 2 - 3);
        if (i) context.lineTo(x(row[0]), y); else context.moveTo(x(row[0]), y);
      });
      context.stroke();
    }
    const last = rows.at(-1);
    if (last) {
      const size = Math.hypot(...last.slice(first, first + 3));
      trace.value.textContent = first === 4 ? `${size.toFixed(1)} rad/s` : `${size.toFixed(1)} m/s²`;
    }
  }

  sound(context, rows, x, height, trace) {
    const reach = Math.max(0.05, ...rows.map((row) => Math.max(-row[1], row[2])));
    context.fillStyle = this.colours.accent;
    const wide = Math.max(1, x(0.02) - x(0));
    for (const [t, low, high] of rows) {
      const top = height / 2 - (high / reach) * (height / 2 - 2), bottom = height / 2 - (low / reach) * (height / 2 - 2);
      context.fillRect(x(t), top, wide, Math.max(1, bottom - top));
    }
    const peak = Math.max(1e-5, ...rows.slice(-25).map((row) => Math.max(-row[1], row[2])));
    trace.value.textContent = `${(20 * Math.log10(peak)).toFixed(0)} dBFS`;
  }
}
