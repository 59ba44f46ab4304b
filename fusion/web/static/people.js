// Everybody who is followed: colours, and who wears the sensors, found or chosen by click.
import { ask, byId, say } from "./tools.js";

const GOLDEN = 0.381966;

/** A person's colour; neighbouring numbers differ by the golden angle, as in overlay.mp4. */
export const colourOfPerson = (person) => `hsl(${Math.round(((person * GOLDEN) % 1) * 180) * 2} 100% 70.6%)`;

export const nameOf = (person) => (person ? `Person ${person}` : "Out of view");

/** Choose who wears the sensors; null: it is found. */
export async function choose(person) {
  try {
    await ask("POST", "/api/wearer", { person });
    say(byId("people-told"), "");
  } catch (error) {
    say(byId("people-told"), error.message, "bad");
  }
}

/** The list of people: a button each, which says who wears the sensors and gives them to that one. */
export class People {
  constructor(about) {
    this.several = about.live.people > 1;
    this.buttons = new Map();
    this.list = byId("people-list");
    byId("people").hidden = !this.several;
    this.auto = byId("people-auto");
    this.auto.addEventListener("click", () => choose(null));
  }

  pose(pose) {
    if (!this.several) return;
    const there = [...pose.people].sort((a, b) => a.person - b.person);
    for (const [person, item] of this.buttons) {
      if (!there.some((each) => each.person === person)) {
        item.remove();
        this.buttons.delete(person);
      }
    }
    for (const each of there) this.row(each);
    const order = there.map((each) => this.buttons.get(each.person));
    if (order.some((item, i) => this.list.children[i] !== item)) this.list.append(...order);
    const by = pose.chosen ? "chosen" : "found";
    if (this.auto.getAttribute("aria-pressed") !== String(!pose.chosen)) this.auto.setAttribute("aria-pressed", String(!pose.chosen));
    this.list.dataset.wearer = pose.people.find((each) => each.wears)?.person ?? "";
    this.list.dataset.by = by;
  }

  row({ person, wears, seen }) {
    let item = this.buttons.get(person);
    if (!item) {
      item = document.createElement("li");
      const button = document.createElement("button"), patch = document.createElement("i"), name = document.createElement("span");
      button.type = "button";
      button.className = "toggle";
      patch.style.background = colourOfPerson(person);
      name.textContent = nameOf(person);
      button.append(patch, name, document.createElement("small"));
      button.dataset.person = person;
      button.addEventListener("click", () => choose(person));
      item.append(button);
      this.buttons.set(person, item);
    }
    const button = item.firstElementChild;
    if (button.getAttribute("aria-pressed") !== String(wears)) button.setAttribute("aria-pressed", String(wears));
    say(button.lastElementChild, wears ? (seen || !person ? "wears the sensors" : "wears the sensors, out of view") : "");
  }
}

/** Return who is at a place of the picture, px: the nearest skeleton, if it is near enough; else null. */
export function personAt(people, x, y, reach) {
  let best = null, nearest = Infinity;
  for (const each of people) {
    const points = each.keypoints.filter(Boolean);
    if (!points.length) continue;
    const xs = points.map((point) => point[0]), ys = points.map((point) => point[1]);
    const inside = x >= Math.min(...xs) - reach && x <= Math.max(...xs) + reach && y >= Math.min(...ys) - reach && y <= Math.max(...ys) + reach;
    const far = Math.min(...points.map((point) => Math.hypot(point[0] - x, point[1] - y)));
    if (inside && far < nearest) [best, nearest] = [each.person, far];
  }
  return best;
}
