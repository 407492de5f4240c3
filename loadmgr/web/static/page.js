// The page of one site: draws what the stream says, and says when the stream is silent.
// Text reaches the page through textContent only; nothing is fetched from elsewhere.

const SILENT_MS = 2500; // the server beats once a second
const AGAIN_MS = 2000;

const byId = (id) => document.getElementById(id);
const copy = (id) => byId(id).content.firstElementChild.cloneNode(true);

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function mark(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

function place(node, left, width) {
  node.style.left = `${100 * Math.max(0, Math.min(1, left))}%`;
  if (width !== undefined) node.style.width = `${100 * Math.max(0, Math.min(1, width))}%`;
}

const decimal = (value) => (value === null ? "–" : String(Math.round(value * 10) / 10));
const shown = (value, unit) => (unit === "W" && value !== null ? value / 1000 : value);

// ── Is anybody there? ────────────────────────────────────────────────────────────────────

let heardAt = 0;
let tickAt = null;
let stale = false;

function liveness() {
  const silent = performance.now() - heardAt > SILENT_MS;
  const state = heardAt === 0 ? "waiting" : silent || stale ? "dead" : "live";
  mark(byId("live"), "state", state);
  say(byId("live-words"), { waiting: "Connecting", dead: "Not live", live: "Live" }[state]);
  document.body.classList.toggle("dead", state === "dead");
  const age = tickAt === null ? "" : `${Math.round((performance.now() - tickAt) / 1000)} s ago`;
  say(byId("live-age"), age);
}

function heard() {
  heardAt = performance.now();
}

function connect() {
  const stream = new EventSource("/api/v1/stream");
  stream.addEventListener("tick", (event) => {
    heard();
    draw(JSON.parse(event.data));
    liveness();
  });
  stream.addEventListener("beat", (event) => {
    const beat = JSON.parse(event.data);
    heard();
    stale = beat.stale;
    if (beat.age_s !== null) tickAt = performance.now() - 1000 * beat.age_s;
    liveness();
  });
  stream.addEventListener("error", () => {
    if (heardAt !== 0) heardAt = -SILENT_MS;
    liveness();
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS);
  });
}

// ── Drawing ──────────────────────────────────────────────────────────────────────────────

let clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
let zone = "";

function inZone(timezone) {
  if (zone === timezone) return;
  zone = timezone;
  const format = { timeZone: zone, hour: "2-digit", minute: "2-digit" };
  clock = new Intl.DateTimeFormat("en-GB", format);
}

/** Keeps one node per item: makes those that are new, drops those that are gone. */
function keep(known, items, make) {
  const wanted = new Map(items);
  for (const [key, node] of known) {
    if (!wanted.has(key)) {
      node.remove();
      known.delete(key);
    }
  }
  for (const [key, item] of wanted) if (!known.has(key)) known.set(key, make(item));
}

function list(parent, lines, each) {
  while (parent.children.length > lines.length) parent.lastElementChild.remove();
  while (parent.children.length < lines.length) parent.append(document.createElement("li"));
  lines.forEach((line, i) => each(parent.children[i], line));
}

function draw({ site, chargers }) {
  inZone(site.timezone);
  say(byId("name"), site.name);
  say(byId("overview"), site.overview);
  byId("dry-run").hidden = !site.dry_run;
  drawAlarms([...site.alarms, ...site.shortfalls.map((one) => one.sentence)]);
  drawCircuits(site.circuits);
  drawLimits(site.limits);
  drawChargers(chargers);
  drawNews(site.news);
  const took = decimal(1000 * site.pace.p99_s);
  say(byId("tick"), `Tick ${site.number} at ${clock.format(new Date(site.at))}, 99 % decided within ${took} ms`);
}

function drawAlarms(alarms) {
  byId("alarms").hidden = alarms.length === 0;
  byId("alarm-count").hidden = alarms.length === 0;
  say(byId("alarm-count"), `⚠ ${alarms.length} ${alarms.length === 1 ? "alarm" : "alarms"}`);
  list(byId("alarm-list"), alarms, say);
}

const circuits = new Map();

function drawCircuits(seen) {
  keep(circuits, seen.map((circuit) => [circuit.id, circuit]), () => {
    const node = copy("circuit");
    byId("circuits").append(node);
    return node;
  });
  for (const circuit of seen) {
    const node = circuits.get(circuit.id);
    node.style.setProperty("--depth", circuit.depth);
    say(node.querySelector(".label"), circuit.label);
    say(node.querySelector(".size"), size(circuit.rating_a));
    node.querySelector(".lost").hidden = !(circuit.meter && circuit.meter.lost);
    drawRows(node.querySelector("tbody"), circuit);
  }
}

function size({ L1, L2, L3 }) {
  const same = L1 === L2 && L2 === L3;
  return same ? `3 × ${decimal(L1)} A` : `${decimal(L1)} / ${decimal(L2)} / ${decimal(L3)} A`;
}

function drawRows(body, circuit) {
  while (body.children.length > circuit.rows.length) body.lastElementChild.remove();
  while (body.children.length < circuit.rows.length) body.append(copy("row"));
  circuit.rows.forEach((row, i) => drawRow(body.children[i], row));
}

function drawRow(node, row) {
  const full = Math.max(row.rating ?? row.usable, row.used ?? 0, 1e-9);
  const cars = Math.max(0, Math.min(row.cars, full));
  const bar = (name) => node.querySelector(`i.${name}`);
  mark(node, "level", row.level);
  say(node.querySelector("th"), row.phase ?? "All");
  // Where a meter sees more than is believed and measured, the difference is the building's.
  const building = Math.max(row.building, row.used - cars);
  place(bar("building"), 0, building / full);
  place(bar("cars"), building / full, cars / full);
  place(bar("reserved"), (building + cars) / full, (row.reserved - cars) / full);
  place(bar("planned"), (row.building + row.planned) / full);
  place(bar("barred"), row.usable / full, 1 - row.usable / full);
  const unit = row.unit === "W" ? "kW" : "A";
  const most = row.level === "over" ? row.rating : row.usable;
  const now = `${decimal(shown(row.used, row.unit))} of ${decimal(shown(most, row.unit))} ${unit}`;
  say(node.querySelector(".now"), now);
  say(node.querySelector(".level"), row.level_words);
}

function drawLimits(limits) {
  const none = [{ sentence: "None but the fuses themselves.", in_force: false }];
  list(byId("limits"), limits.length ? limits : none, (node, limit) => {
    say(node, limit.sentence);
    node.className = limit.in_force ? "" : "later";
  });
}

function drawNews(news) {
  list(byId("news"), news.slice(0, 12), (node, one) => {
    if (!node.firstChild) node.append(document.createElement("time"), document.createElement("span"));
    const [time, text] = node.children;
    time.dateTime = one.at;
    say(time, clock.format(new Date(one.at)));
    say(text, one.text);
    text.className = one.serious ? "serious" : "";
  });
}

// ── Chargers ─────────────────────────────────────────────────────────────────────────────

const CELLS = [
  "id", "label", "words", "target", "ordered", "confirmed", "L1", "L2", "L3", "energy",
  "brief", "sentence", "between",
];
const chargers = new Map();
let made = 0;

function makeCharger(charger) {
  const node = copy("charger");
  const button = node.querySelector("button");
  const ladder = node.querySelector(".ladder");
  ladder.id = `ladder-${made++}`;
  button.setAttribute("aria-controls", ladder.id);
  button.setAttribute("aria-label", `Why? ${charger.id}`);
  button.addEventListener("click", () => {
    ladder.hidden = !ladder.hidden;
    button.setAttribute("aria-expanded", String(!ladder.hidden));
    if (!ladder.hidden) explain(charger.id, node);
  });
  byId("chargers").append(node);
  const cells = { ladder };
  for (const name of CELLS) cells[name] = node.querySelector(`.${name}`);
  return { node, cells, remove: () => node.remove() };
}

function drawChargers(seen) {
  keep(chargers, seen.map((charger) => [charger.id, charger]), makeCharger);
  const total = seen.filter((charger) => charger.standing === "charging").length;
  say(byId("charger-count"), `${total} of ${seen.length} charging`);
  for (const charger of seen) drawCharger(chargers.get(charger.id), charger);
}

function drawCharger({ node, cells }, charger) {
  mark(node, "standing", charger.standing);
  say(cells.id, charger.id);
  say(cells.label, charger.label);
  say(cells.words, charger.standing_words);
  say(cells.target, `${decimal(charger.target_a)} A`);
  say(cells.ordered, decimal(charger.ordered_a));
  say(cells.confirmed, decimal(charger.confirmed_a));
  const ordered = charger.ordered_a ?? 0;
  differs(cells.ordered, charger.target_a, ordered);
  differs(cells.confirmed, ordered, charger.confirmed_a ?? 0);
  for (const phase of ["L1", "L2", "L3"]) {
    say(cells[phase], decimal(charger.measured_a && charger.measured_a[phase]));
  }
  say(cells.energy, charger.session ? `${decimal(charger.session.energy_wh / 1000)} kWh` : "–");
  say(cells.brief, charger.brief);
  say(cells.sentence, charger.sentence);
  say(cells.between, charger.between);
  if (!cells.ladder.hidden) explain(charger.id, node);
}

function differs(node, one, other) {
  node.classList.toggle("differs", Math.abs(one - other) > 0.05);
}

async function explain(id, node) {
  const answer = await fetch(`/api/v1/chargers/${encodeURIComponent(id)}/why`).catch(() => null);
  if (answer === null || !answer.ok) return;
  const why = await answer.json();
  const steps = node.querySelector(".ladder ol");
  const most = Math.max(...why.ladder.map((rung) => rung.amps_a ?? 0), 1);
  while (steps.children.length > why.ladder.length) steps.lastElementChild.remove();
  while (steps.children.length < why.ladder.length) steps.append(copy("rung"));
  why.ladder.forEach((rung, i) => {
    const step = steps.children[i];
    step.querySelector("i").style.width = `${(100 * (rung.amps_a ?? most)) / most}%`;
    const sharing = rung.sharing.length ? ` Sharing: ${rung.sharing.join(", ")}.` : "";
    say(step.querySelector(".said"), rung.sentence + sharing);
  });
}

connect();
setInterval(liveness, 500);
