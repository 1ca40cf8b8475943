"use strict";
// Draws the timeline and the table of units from the data in the page. Nothing is fetched.
const data = JSON.parse(document.getElementById("data").textContent);
const units = data.units;
const timed = units.filter((unit) => unit.began !== null);
const chart = document.getElementById("chart");
const about = document.getElementById("about");
const search = document.getElementById("search");
const NS = "http://www.w3.org/2000/svg";
const ROW = 18, TOP = 20, AXIS = 18, LOAD = 36, GAP = 6;
const end = Math.max(0.001, ...timed.map((unit) => unit.began + unit.seconds), ...data.phases.map((each) => each.ended));
const rows = 1 + Math.max(-1, ...timed.map((unit) => unit.lane));
let view = { from: 0, to: end };
let chosen = null;
let order = { key: "seconds", down: true };

function seconds(value) {
  if (value < 9.95) return value.toFixed(1) + "s";
  const whole = Math.round(value);
  return whole < 60 ? whole + "s" : Math.floor(whole / 60) + "m " + String(whole % 60).padStart(2, "0") + "s";
}
function bytes(value) {
  if (value < 1000) return value + " B";
  for (const unit of ["kB", "MB", "GB"]) {
    value /= 1000;
    if (value < 999.95) return value.toFixed(1) + " " + unit;
  }
  return (value / 1000).toFixed(1) + " TB";
}
function make(name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
function found(unit) {
  const asked = search.value.trim().toLowerCase();
  return !asked || (unit.name + " " + unit.target + " " + unit.state).toLowerCase().includes(asked);
}
function colour(unit) {
  return unit.kind === "build script run" ? "c" : unit.host ? "host" : "rust";
}

function draw() {
  const width = Math.max(280, chart.clientWidth - 2);
  const phaseRows = data.phases.length ? 1 : 0;
  const base = TOP + phaseRows * (ROW + GAP);
  const height = base + rows * ROW + GAP + (timed.length ? LOAD : 0) + AXIS;
  const svg = make("svg", { width, height, viewBox: "0 0 " + width + " " + height, role: "group", "aria-label": "timeline of units" });
  const x = (time) => ((time - view.from) / (view.to - view.from)) * width;
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200]
    .find((each) => (each / (view.to - view.from)) * width > 70) || 21600;
  for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) {
    svg.append(make("line", { x1: x(time), x2: x(time), y1: 0, y2: height }));
    const label = step < 1 ? time.toFixed(2) + "s" : seconds(time);
    // half a label at the edge would be read as another time
    if (x(time) + 3 + label.length * 7 < width) svg.append(make("text", { x: x(time) + 3, y: 13, class: "axis" }, label));
  }
  for (const phase of data.phases) {
    if (phase.ended < view.from || phase.began > view.to) continue;
    const left = x(phase.began), wide = Math.max(1, x(phase.ended) - left);
    const bar = make("rect", { x: left, y: TOP, width: wide, height: ROW - 2, class: "other", rx: 2, opacity: 0.75 });
    bar.append(make("title", {}, phase.name + ", " + seconds(phase.ended - phase.began)));
    svg.append(bar);
    if (wide > 6.2 * phase.name.length + 10) svg.append(make("text", { x: Math.max(left, 0) + 4, y: TOP + 12, class: "in" }, phase.name));
  }
  for (const unit of timed) {
    if (unit.began + unit.seconds < view.from || unit.began > view.to) continue;
    const left = x(unit.began), wide = Math.max(1, x(unit.began + unit.seconds) - left);
    const y = base + unit.lane * ROW;
    const classes = ["unit", colour(unit)];
    if (unit.critical) classes.push("critical");
    if (!found(unit)) classes.push("faint");
    if (unit === chosen) classes.push("chosen");
    const bar = make("rect", {
      x: left, y, width: wide, height: ROW - 3, rx: 2, class: classes.join(" "), tabindex: unit === (chosen || timed[0]) ? 0 : -1,
      role: "button", "aria-label": unit.name + " for " + unit.target + ", " + seconds(unit.seconds), "data-place": unit.place,
    });
    bar.append(make("title", {}, unit.name + " (" + unit.target + ") " + seconds(unit.seconds)));
    svg.append(bar);
    const room = Math.min(wide, width - Math.max(left, 0)) - 8;
    if (room > 26) {
      svg.append(make("text", { x: Math.max(left, 0) + 4, y: y + 11, class: "in" + (found(unit) ? "" : " faint") },
        unit.name.slice(0, Math.floor(room / 6.2))));
    }
  }
  if (timed.length) svg.append(load(x, base + rows * ROW + GAP));
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.place : undefined;
  chart.replaceChildren(svg);
  if (focused !== undefined && chosen) {
    const again = chart.querySelector('[data-place="' + chosen.place + '"]');
    if (again) again.focus({ preventScroll: true });
  }
}

// how many units were compiled at once
function load(x, y) {
  const changes = timed.flatMap((unit) => [[unit.began, 1], [unit.began + unit.seconds, -1]]);
  changes.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  let now = 0, most = 1;
  for (const change of changes) most = Math.max(most, now += change[1]);
  now = 0;
  let line = "M" + x(0) + " " + (y + LOAD);
  for (const [time, more] of changes) {
    line += "H" + x(time).toFixed(1);
    now += more;
    line += "V" + (y + LOAD - (LOAD * now) / most).toFixed(1);
  }
  const group = make("g", {});
  group.append(make("path", { d: line + "V" + (y + LOAD) + "Z" }));
  group.append(make("text", { x: 4, y: y + 11, class: "axis" }, "at once, " + most + " at most"));
  return group;
}

function choose(unit, focus) {
  chosen = unit;
  about.replaceChildren();
  if (unit) {
    const title = document.createElement("b");
    title.textContent = unit.name;
    about.append(title, " for " + unit.target + (unit.host ? ", for the build itself" : "") + ": " + unit.state
      + (unit.where ? " at " + unit.where : "")
      + (unit.began === null ? unit.seconds ? ", took " + seconds(unit.seconds) + " once" : ""
        : " in " + seconds(unit.seconds) + " from " + seconds(unit.began)) + ", " + bytes(unit.size)
      + (unit.critical ? ", on the critical path" : ""));
    const reasons = unit.because.map((each) => "because of " + each);
    if (unit.waits_for !== null) reasons.push("because " + units[unit.waits_for].name + " had to be compiled");
    if (unit.needs.length) reasons.push("needs " + unit.needs.slice(0, 12).map((place) => units[place].name).join(", ")
      + (unit.needs.length > 12 ? " and " + (unit.needs.length - 12) + " more" : ""));
    for (const line of reasons) {
      const p = document.createElement("p");
      p.textContent = line;
      about.append(p);
    }
    if (unit.began !== null && (unit.began > view.to || unit.began + unit.seconds < view.from)) {
      const wide = view.to - view.from;
      move(unit.began - wide / 2, unit.began + wide / 2);
    }
  } else {
    about.textContent = "Choose a unit, to see why it was compiled and what it needs.";
  }
  draw();
  if (unit && focus) {
    const bar = chart.querySelector('[data-place="' + unit.place + '"]');
    if (bar) bar.focus();
  }
}
function move(from, to) {
  const wide = Math.min(Math.max(to - from, end / 2000), end);
  from = Math.min(Math.max(from, 0), end - wide);
  view = { from, to: from + wide };
  draw();
}
function zoom(factor, at) {
  const middle = at === undefined ? (view.from + view.to) / 2 : at;
  move(middle - (middle - view.from) * factor, middle + (view.to - middle) * factor);
}

const COLUMNS = [["name", "unit"], ["target", "for"], ["state", "state"], ["seconds", "time"], ["size", "size"]];
// as the bars by target have them
const COLOURS = { restored: "fresh", present: "other" };
const SHOWN = 100;
let whole = false;
function list() {
  const table = document.getElementById("units");
  const shown = units.filter(found);
  const sign = order.down ? -1 : 1;
  shown.sort((one, other) => sign * (one[order.key] < other[order.key] ? -1 : one[order.key] > other[order.key] ? 1 : 0));
  const head = document.createElement("tr");
  for (const [key, title] of COLUMNS) {
    const cell = document.createElement("th");
    const button = document.createElement("button");
    button.textContent = title + (order.key === key ? (order.down ? " ↓" : " ↑") : "");
    button.addEventListener("click", () => {
      order = { key, down: order.key === key ? !order.down : key === "seconds" || key === "size" };
      list();
    });
    if (key === "seconds" || key === "size") cell.className = "n";
    cell.setAttribute("aria-sort", order.key === key ? (order.down ? "descending" : "ascending") : "none");
    cell.append(button);
    head.append(cell);
  }
  const lines = shown.slice(0, whole ? undefined : SHOWN).map((unit) => {
    const row = document.createElement("tr");
    for (const [key] of COLUMNS) {
      const cell = row.insertCell();
      if (key === "seconds") cell.textContent = unit.seconds ? seconds(unit.seconds) : "";
      else if (key === "size") cell.textContent = bytes(unit.size);
      else cell.textContent = unit[key];
      if (key === "state") {
        const dot = document.createElement("i");
        dot.className = "dot " + (COLOURS[unit.state] || "rust");
        cell.prepend(dot);
      }
      cell.className = key === "seconds" || key === "size" ? "n" : key === "name" || key === "state" ? key : "";
    }
    row.addEventListener("click", () => choose(unit));
    return row;
  });
  table.tHead.replaceChildren(head);
  table.tBodies[0].replaceChildren(...lines);
  document.getElementById("count").textContent = shown.length + " of " + units.length + " units";
  const all = document.getElementById("all");
  all.hidden = whole || shown.length <= SHOWN;
  all.textContent = "show all " + shown.length;
}

search.addEventListener("input", () => { draw(); list(); });
document.getElementById("in").addEventListener("click", () => zoom(0.5));
document.getElementById("out").addEventListener("click", () => zoom(2));
document.getElementById("reset").addEventListener("click", () => move(0, end));
document.getElementById("all").addEventListener("click", () => { whole = true; list(); });
chart.addEventListener("click", (event) => {
  const place = event.target.dataset ? event.target.dataset.place : undefined;
  if (place !== undefined) choose(units[Number(place)], true);
});
chart.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const at = view.from + ((event.clientX - chart.getBoundingClientRect().left) / chart.clientWidth) * (view.to - view.from);
  zoom(event.deltaY > 0 ? 1.25 : 0.8, at);
}, { passive: false });
let held = null;
chart.addEventListener("pointerdown", (event) => { held = { x: event.clientX, ...view }; });
window.addEventListener("pointerup", () => { held = null; });
window.addEventListener("pointermove", (event) => {
  if (!held || Math.abs(event.clientX - held.x) < 4) return;
  const by = ((held.x - event.clientX) / chart.clientWidth) * (held.to - held.from);
  move(held.from + by, held.to + by);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    search.value = "";
    choose(null);
    list();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target === search) return;
  const wide = view.to - view.from;
  const onUnit = event.target.dataset && event.target.dataset.place !== undefined;
  if (event.key === "/") { event.preventDefault(); search.focus(); }
  else if (event.key === "+" || event.key === "=") zoom(0.5);
  else if (event.key === "-") zoom(2);
  else if (event.key === "0") move(0, end);
  else if (event.key === "[") move(view.from - wide / 4, view.to - wide / 4);
  else if (event.key === "]") move(view.from + wide / 4, view.to + wide / 4);
  else if (onUnit && event.key === "Enter") choose(units[Number(event.target.dataset.place)], true);
  else if (onUnit && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
    event.preventDefault();
    const line = timed.filter(found).sort((one, other) => one.began - other.began || one.place - other.place);
    const at = line.findIndex((unit) => unit.place === Number(event.target.dataset.place));
    const next = line[at + (event.key === "ArrowRight" ? 1 : -1)];
    if (next) choose(next, true);
  }
});
new ResizeObserver(draw).observe(chart);
choose(null);
list();
