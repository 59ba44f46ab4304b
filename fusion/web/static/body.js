// The body in 3D, to be turned with mouse, touch or keys. Joints are m from the pelvis: x right, y down, z forward.
import { byId } from "./tools.js";
import { colourOfPerson } from "./people.js";
import { colours, sideOf } from "./picture.js";

const FAR = 3.2;
const APART_M = 1.0;
const FRONT = { yaw: 0.35, pitch: 0.18, zoom: 1 };
const VIEWS = { front: { yaw: 0, pitch: 0.08, zoom: 1 }, side: { yaw: Math.PI / 2, pitch: 0.08, zoom: 1 }, top: { yaw: 0, pitch: 1.45, zoom: 1 } };

export class Body {
  constructor(about) {
    this.about = about;
    this.canvas = byId("body");
    this.context = this.canvas.getContext("2d");
    this.view = { ...FRONT };
    this.people = [];
    this.floor = 0.95;
    this.colours = colours();
    document.addEventListener("theme", () => { this.colours = colours(); this.draw(); });
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    for (const name of ["front", "side", "top"]) byId(`body-${name}`).addEventListener("click", () => this.look(VIEWS[name]));
    this.pointers();
    this.keys();
  }

  pose(pose) {
    this.people = this.placed(pose.people);
    this.canvas.dataset.time = pose.time;
    this.canvas.dataset.people = pose.people.length;
    const joints = this.about.joints;
    const feet = this.people.flatMap((person) => joints.flatMap((name, i) => (/(foot|ankle)$/.test(name) ? [person.joints[i][1]] : [])));
    if (feet.length) this.floor += 0.05 * (Math.max(...feet) - this.floor);
    this.draw();
  }

  /** Each body tells joints from its own pelvis: several stand side by side, in their order in the picture. */
  placed(people) {
    const across = ({ keypoints, seen }) => (seen && keypoints[0] ? keypoints[0][0] : Infinity);
    const order = [...people].sort((a, b) => across(a) - across(b) || a.person - b.person);
    return order.map((each, i) => {
      const aside = (i - (order.length - 1) / 2) * APART_M;
      return { ...each, joints: each.joints.map(([x, y, z, sd]) => [x + aside, y, z, sd]) };
    });
  }

  look(view) {
    this.view = { ...this.view, ...view };
    this.turned();
  }

  turned() {
    const { view } = this;
    view.pitch = Math.min(1.5, Math.max(-0.6, view.pitch));
    view.zoom = Math.min(4, Math.max(0.4, view.zoom));
    const degrees = Math.round((((view.yaw * 180) / Math.PI) % 360 + 360) % 360);
    this.canvas.setAttribute("aria-label", `The body in 3D, turned by ${degrees} degrees, from ${Math.round((view.pitch * 180) / Math.PI)} degrees above`);
    this.canvas.dataset.yaw = view.yaw.toFixed(3);
    this.draw();
  }

  pointers() {
    const down = new Map();
    let spread = 0;
    const { canvas } = this;
    const apart = () => { const [a, b] = [...down.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      down.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (down.size === 2) spread = apart();
    });
    canvas.addEventListener("pointermove", (event) => {
      const last = down.get(event.pointerId);
      if (!last) return;
      const now = { x: event.clientX, y: event.clientY };
      down.set(event.pointerId, now);
      if (down.size === 2) {
        const next = apart();
        if (spread > 0) this.view.zoom *= next / spread;
        spread = next;
      } else {
        this.view.yaw -= (now.x - last.x) * 0.01;
        this.view.pitch += (now.y - last.y) * 0.008;
      }
      this.turned();
    });
    for (const over of ["pointerup", "pointercancel"]) canvas.addEventListener(over, (event) => down.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.view.zoom *= Math.exp(-event.deltaY * 0.001);
      this.turned();
    }, { passive: false });
  }

  keys() {
    const turns = { ArrowLeft: ["yaw", 0.12], ArrowRight: ["yaw", -0.12], ArrowUp: ["pitch", 0.1], ArrowDown: ["pitch", -0.1] };
    this.canvas.addEventListener("keydown", (event) => {
      if (turns[event.key]) this.view[turns[event.key][0]] += turns[event.key][1];
      else if (event.key === "+" || event.key === "=") this.view.zoom *= 1.15;
      else if (event.key === "-") this.view.zoom /= 1.15;
      else if (event.key === "0") this.view = { ...FRONT };
      else return;
      event.preventDefault();
      this.turned();
    });
  }

  resize() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const width = Math.round(this.canvas.clientWidth * ratio), height = Math.round(this.canvas.clientHeight * ratio);
    if (!width || !height) return;
    if (this.canvas.width !== width || this.canvas.height !== height) { this.canvas.width = width; this.canvas.height = height; }
    this.draw();
  }

  /** Turn and project a point (m): its place on the canvas, px per m there, and how far away it is. */
  project([x, y, z]) {
    const { yaw, pitch, zoom } = this.view;
    const x1 = x * Math.cos(yaw) + z * Math.sin(yaw), z1 = -x * Math.sin(yaw) + z * Math.cos(yaw);
    const y2 = y * Math.cos(pitch) - z1 * Math.sin(pitch), z2 = y * Math.sin(pitch) + z1 * Math.cos(pitch);
    const wide = 1.9 + APART_M * Math.max(0, this.people.length - 1);
    const scale = (Math.min(this.canvas.height / 2.25, this.canvas.width / wide) * zoom * FAR) / Math.max(0.6, FAR + z2);
    return { x: this.canvas.width / 2 + x1 * scale, y: this.canvas.height * 0.47 + y2 * scale, scale, far: z2 };
  }

  draw() {
    const { context, canvas } = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.ground();
    for (const each of this.people) this.person(each);
  }

  ground() {
    const { context } = this;
    context.strokeStyle = this.colours.grid;
    context.lineWidth = Math.max(1, this.canvas.width / 700);
    context.beginPath();
    for (let i = -4; i <= 4; i++) {
      for (const [a, b] of [[[i / 4, -1], [i / 4, 1]], [[-1, i / 4], [1, i / 4]]]) {
        const p = this.project([a[0], this.floor, a[1]]), q = this.project([b[0], this.floor, b[1]]);
        context.moveTo(p.x, p.y);
        context.lineTo(q.x, q.y);
      }
    }
    context.stroke();
  }

  person({ joints, person, wears }) {
    const own = this.about.live.people > 1 ? colourOfPerson(person) : null;
    const { context } = this;
    const names = this.about.joints;
    const places = joints.map((joint) => this.project(joint));
    context.fillStyle = this.colours.soft;
    for (const joint of joints) {
      const shadow = this.project([joint[0], this.floor, joint[2]]);
      context.globalAlpha = 0.12;
      this.disc(shadow.x, shadow.y, 0.05 * shadow.scale);
    }
    places.forEach((place, i) => {
      context.globalAlpha = 0.13;
      context.fillStyle = own ?? this.colours[sideOf(names[i])];
      this.disc(place.x, place.y, Math.min(0.3, joints[i][3]) * place.scale);
    });
    context.globalAlpha = 1;
    context.lineCap = "round";
    const byDepth = [...this.about.bones].sort((m, n) => places[n[0]].far + places[n[1]].far - places[m[0]].far - places[m[1]].far);
    for (const [a, b] of byDepth) {
      context.strokeStyle = own ?? this.colours[sideOf(names[a], names[b])];
      context.lineWidth = 0.024 * (places[a].scale + places[b].scale);
      context.beginPath();
      context.moveTo(places[a].x, places[a].y);
      context.lineTo(places[b].x, places[b].y);
      context.stroke();
    }
    const head = names.indexOf("head");
    if (head >= 0) {
      context.fillStyle = own ?? this.colours.middle;
      this.disc(places[head].x, places[head].y, 0.085 * places[head].scale);
      if (own) {
        context.font = `700 ${0.13 * places[head].scale}px system-ui, sans-serif`;
        context.textAlign = "center";
        context.fillStyle = this.colours.text;
        context.fillText(wears ? `${person || "?"} ◉` : `${person}`, places[head].x, places[head].y - 0.16 * places[head].scale);
      }
    }
  }

  disc(x, y, radius) {
    this.context.beginPath();
    this.context.arc(x, y, Math.max(0.5, radius), 0, 2 * Math.PI);
    this.context.fill();
  }
}
