// Everything beside the pictures: actions, streams, buttons, calibration, events, angles and feedback.
import { ask, byId, say } from "./tools.js";
import { colours } from "./picture.js";

const TIMELINE_S = 60;
const EVENTS = 100;

export class Panels {
  constructor(about) {
    this.about = about;
    this.actions = about.live.actions;
    this.rows = [];
    this.streams = new Map();
    this.recording = false;
    this.spoken = { action: -1, at: 0 };
    this.buttons();
    this.table();
    document.addEventListener("theme", () => this.drawTimeline());
  }

  buttons() {
    const off = !this.about.live.controls;
    for (const id of ["record", "mark", "mark-label", "calibrate"]) byId(id).disabled = off;
    if (off) say(byId("told"), "A recording is replayed here: start chorus live RIG.yaml --web to record.");
    if (!this.about.live.streams.some((stream) => stream.kind === "imu" && stream.worn_on)) byId("calibrate").disabled = true;
    const run = (act) => act().catch((error) => say(byId("told"), error.message, "bad"));
    byId("record").addEventListener("click", () => run(() => ask("POST", this.recording ? "/api/record/stop" : "/api/record/start")));
    byId("mark-form").addEventListener("submit", (event) => {
      event.preventDefault();
      run(async () => {
        const marked = await ask("POST", "/api/mark", { label: byId("mark-label").value });
        say(byId("told"), `Marked “${marked.label}” at ${marked.time.toFixed(2)} s.`, "good");
        byId("mark-label").value = "";
      });
    });
    byId("calibrate").addEventListener("click", () => run(() => ask("POST", "/api/calibrate/start", {})));
    byId("cal-cancel").addEventListener("click", () => run(() => ask("POST", "/api/calibrate/cancel")));
  }

  table() {
    const rows = document.querySelector("#health tbody");
    for (const stream of this.about.live.streams) {
      const row = document.createElement("tr");
      const name = document.createElement("th");
      name.scope = "row";
      name.textContent = stream.name;
      const small = document.createElement("small");
      small.textContent = stream.worn_on && stream.worn_on !== stream.name ? `${stream.kind}, ${stream.worn_on.replaceAll("_", " ")}` : stream.kind;
      name.append(small);
      const cells = ["rate", "age", "bound", "lost"].map((what) => {
        const cell = document.createElement("td");
        cell.dataset.what = what;
        if (what === "bound") cell.className = "wide";
        return cell;
      });
      row.append(name, ...cells);
      row.dataset.stream = stream.name;
      rows.append(row);
      this.streams.set(stream.name, { cells, small, nominal: stream.rate_hz, kind: small.textContent });
    }
  }

  pose(pose) {
    say(byId("fed"), pose.fed.length ? `fed by ${pose.fed.length} sensors` : "fed by nothing");
    const [action, probability] = pose.action;
    const now = performance.now();
    if (action >= 0 && (action !== this.spoken.action ? now - this.spoken.at > 700 : now - this.spoken.at > 2000)) {
      this.spoken = { action, at: now };
      say(byId("action-now"), `${this.words(action)} ${Math.round(100 * probability)} %`);
    }
  }

  words(action) {
    return (this.actions[action] ?? "unknown").replaceAll("_", " ");
  }

  timeline(rows) {
    this.rows.push(...rows);
    const last = this.rows.at(-1)[0];
    while (this.rows.length && this.rows[0][0] < last - TIMELINE_S - 1) this.rows.shift();
    this.drawTimeline();
  }

  drawTimeline() {
    const canvas = byId("timeline");
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !this.rows.length) return;
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const last = this.rows.at(-1)[0];
    const x = (t) => width * (1 - (last - t) / TIMELINE_S);
    this.rows.forEach(([t, action, probability], i) => {
      if (action < 0) return;
      const until = this.rows[i + 1]?.[0] ?? t + 0.1;
      context.fillStyle = colourOf(action, this.actions.length);
      const tall = height * (0.25 + 0.75 * probability);
      context.fillRect(x(t), height - tall, Math.max(1, x(until) - x(t) + 0.5), tall);
    });
    context.fillStyle = colours().soft;
    const seen = [...new Set(this.rows.slice(-300).map((row) => row[1]))].filter((action) => action >= 0).slice(-8);
    const legend = byId("legend");
    const key = seen.join(",");
    if (legend.dataset.key === key) return;
    legend.dataset.key = key;
    legend.replaceChildren(...seen.map((action) => {
      const item = document.createElement("li"), patch = document.createElement("i");
      patch.style.background = colourOf(action, this.actions.length);
      item.append(patch, this.words(action));
      return item;
    }));
  }

  events(events) {
    const list = byId("events");
    for (const [time, kind, label, source] of events) {
      if (kind === "label_stop") continue;
      const item = document.createElement("li"), when = document.createElement("time");
      when.textContent = `${(time / 1e9).toFixed(1)} s`;
      item.append(when, { mark: `★ ${label}`, label_start: `▸ ${label}` }[kind] || label || kind);
      if (["lost", "faulty", "failed"].includes(kind)) item.className = "warn";
      item.title = source;
      list.prepend(item);
    }
    while (list.children.length > EVENTS) list.lastChild.remove();
  }

  slow(told) {
    for (const [name, health] of Object.entries(told.health)) this.health(name, health);
    const meter = told.meter;
    const parts = [];
    if (meter.frame_ms > 0) parts.push(`picture → pose ${meter.frame_ms.toFixed(0)} ms`);
    if (meter.sample_ms > 0) parts.push(`sample → pose ${meter.sample_ms.toFixed(0)} ms`);
    say(byId("meter"), parts.join(" · "));
    this.recorder(told.recorder);
    this.calibration(told.calibration);
  }

  health(name, health) {
    const stream = this.streams.get(name);
    if (!stream) return;
    const late = health.age_ms !== null && health.age_ms > Math.max(1000, 20000 / (stream.nominal || 30));
    const slow = stream.nominal && health.rate_hz < 0.9 * stream.nominal;
    const words = [
      [thousands(health.rate_hz) + (stream.nominal ? ` / ${thousands(stream.nominal)} Hz` : " Hz"), slow ? "warn" : ""],
      [health.age_ms === null ? "–" : late ? `${(health.age_ms / 1000).toFixed(1)} s` : `${health.age_ms.toFixed(0)} ms`, late ? "bad" : ""],
      [health.bound_ms === null ? "–" : `${health.bound_ms.toFixed(health.bound_ms < 10 ? 1 : 0)} ms`, ""],
      [health.lost ? thousands(health.lost) : "0", health.lost ? "warn" : ""],
    ];
    words.forEach(([text, kind], i) => {
      const cell = stream.cells[i];
      if (cell.textContent !== text) cell.textContent = text;
      cell.classList.toggle("warn", kind === "warn");
      cell.classList.toggle("bad", kind === "bad");
    });
    const state = health.state === "running" ? stream.kind : health.error || health.state;
    if (stream.small.textContent !== state) stream.small.textContent = state;
    stream.small.classList.toggle("bad", health.state === "failed");
  }

  recorder(told) {
    const on = ["starting", "recording"].includes(told.phase);
    this.recording = on;
    byId("record").setAttribute("aria-pressed", String(on));
    byId("record").disabled = !this.about.live.controls || ["stopping", "checking"].includes(told.phase);
    byId("record").dataset.phase = told.phase;
    byId("record-text").textContent = on ? `Stop ${clock(told.elapsed_s || 0)}` : "Record";
    const words = {
      starting: "Starting to record …", recording: `Recording ${told.file}: ${size(told.bytes)}, ${told.lost ? `${told.lost} rows lost` : "nothing lost"}.`,
      stopping: "Writing what is under way …", checking: `Checking ${told.file} …`,
      done: told.sound ? `${told.file} is recorded and sound.` : `${told.file} is recorded, with problems: ${(told.problems || []).join("; ")}`, failed: told.what,
    }[told.phase];
    say(byId("recorder"), words || "", told.phase === "done" ? (told.sound ? "good" : "bad") : told.phase === "failed" ? "bad" : "");
  }

  calibration(told) {
    const going = ["starting", "pause", "step", "reckoning"].includes(told.phase);
    byId("calibration").hidden = !going;
    byId("calibrate").disabled = going || this.recording || !this.about.live.controls || !this.about.live.streams.some((stream) => stream.kind === "imu" && stream.worn_on);
    if (going) {
      byId("cal-result").hidden = true;
      say(byId("cal-step"), told.step ? `Step ${told.step} of ${told.steps}${told.phase === "pause" ? ": get ready" : ""}` : "");
      say(byId("cal-words"), told.phase === "reckoning" ? "Done. Reckoning …" : told.words || "Starting …");
      const bar = byId("cal-left");
      if (this.step !== `${told.step}${told.phase}`) { this.step = `${told.step}${told.phase}`; bar.max = Math.max(told.left_s || 0.1, 0.1); }
      bar.value = told.left_s || 0;
    } else if (["done", "failed", "cancelled"].includes(told.phase) && this.step) {
      this.step = "";
      this.calibrated(told);
    }
  }

  calibrated(told) {
    const box = byId("cal-result"), list = document.createElement("ul");
    box.hidden = false;
    const lead = document.createElement("p");
    lead.className = told.phase === "done" && told.good ? "good" : "warn";
    lead.textContent = { done: told.good ? "All sensors are aligned." : "Some sensors are not aligned well.", failed: told.what, cancelled: "Calibration cancelled." }[told.phase];
    if (told.written?.length) lead.textContent += ` Written for ${told.written.join(", ")}: in force when the rig is started again.`;
    for (const sensor of told.sensors || []) {
      const item = document.createElement("li");
      item.textContent = sensor.good ? `✓ ${sensor.name}: within ${sensor.error_deg.toFixed(1)}°` : `✗ ${sensor.name}: ${sensor.problems[0] || "poor"}`;
      item.className = sensor.good ? "" : "warn";
      list.append(item);
    }
    box.replaceChildren(lead, list);
  }

  /** Panels that the engine tells of by topic, see WebSink.tell. */
  told(topics) {
    const posture = topics.posture;
    if (!posture) return;
    byId("posture").hidden = false;
    pairs(byId("angles"), (posture.angles || []).map((angle) => [angle.name, `${angle.deg.toFixed(0)}°${angle.sd ? ` ± ${angle.sd.toFixed(0)}` : ""}`]));
    pairs(byId("counts"), (posture.counts || []).map((count) => [count.name, String(count.value)]));
    const said = JSON.stringify(posture.feedback || []);
    if (byId("feedback").dataset.said === said) return; // or a screen reader says it again and again
    byId("feedback").dataset.said = said;
    byId("feedback").replaceChildren(...(posture.feedback || []).map((one) => {
      const item = document.createElement("li");
      item.dataset.level = one.level || "warn";
      item.textContent = one.words;
      return item;
    }));
  }
}

function pairs(list, rows) {
  list.replaceChildren(...rows.flatMap(([name, value]) => {
    const term = document.createElement("dt"), said = document.createElement("dd");
    term.textContent = name.replaceAll("_", " ");
    said.textContent = value;
    return [term, said];
  }));
}

function colourOf(action, count) {
  return `hsl(${Math.round((action * 360) / Math.max(1, count) + 205) % 360} 62% 55%)`;
}

export const thousands = (number) => (number >= 10000 ? `${(number / 1000).toFixed(1)}k` : number >= 100 ? number.toFixed(0) : number.toFixed(1));
export const size = (bytes) => (bytes > 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : bytes > 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil((bytes || 0) / 1000)} kB`);
export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
