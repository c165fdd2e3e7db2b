// The tree is asked for each second. All text of the program goes through textContent. What is collapsed, searched and shown at
// most is decided by the server; here is no recursion, for trees may be deep.
"use strict";

const PERIOD = 1000;
const PATIENCE = 30000;
const FIRST = 500;
const HIGHEST = 10000;
// More do not fit into an address.
const COLLAPSED = 1000;
const DEEPEST_INDENT = 16;

const id = (name) => document.getElementById(name);
const collapsed = new Set();
const rows = new Map(); // by key: { element, cells, data }
let limit = FIRST;
let words = "";
let paused = false;
let chosen = null;
let current = null; // the key of the row that Tab goes to
let timer = null;
let asked = 0;

// --- Texts

const UNITS = [[86400e6, "d"], [3600e6, "h"], [60e6, "min"], [1e6, "s"], [1e3, "ms"], [1, "µs"]];

/** Microseconds, with three digits at most: `1.25 s`. */
function time(us) {
  if (us === null) return "–";
  const [size, unit] = UNITS.find(([size]) => us >= size) ?? UNITS.at(-1);
  const value = us / size;
  const digits = size === 1 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`;
}

/** Of a path its last two parts. */
function place(frame, whole) {
  if (!frame.file) return "";
  const file = whole ? frame.file : frame.file.split(/[/\\]/).slice(-2).join("/");
  return [file, frame.line, whole ? frame.column : null].filter((part) => part !== null).join(":");
}

/** The same of each path in a text that has a line and a column. */
function shorten(text) {
  return text.replace(/(?:[^\s()"]*[/\\])?([^\s()"/\\]+[/\\][^\s()"/\\:]+:\d+):\d+/g, "$1");
}

function line(frame, whole) {
  const what = whole ? frame.function : shorten(frame.function);
  return what + (frame.file ? ` (${place(frame, whole)})` : "");
}

function title(data) {
  const number = data.id === null ? "" : `#${data.id}`;
  return (data.name ?? (data.id === null ? data.kind : "coroutine")) + number;
}

/** What it does, in a line. */
function activity(data) {
  const waits = data.waits.map((trace) => line(trace[0])).join(", ");
  if (data.state === "RUNNING") {
    const since = data.running_us === null ? "" : ` for ${time(data.running_us)}`;
    return `on ${data.thread ?? "a thread"}${since}`;
  }
  if (data.state === "CREATED") return "has not begun";
  if (data.job_state === "Completing") return "waits for its children";
  if (data.waits_are_over || !waits) {
    return waits ? `ready, or waits for what is not known; waited at ${waits}` : "waits for what is not known";
  }
  return waits + (data.more_waits ? `, and ${data.more_waits} more` : "");
}

// --- Rows

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(tag, className, parent, role) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (role) element.setAttribute("role", role);
  parent?.append(element);
  return element;
}

function makeRow(key) {
  const element = make("div", "row", null, "row");
  element.tabIndex = -1;
  element.dataset.key = key;
  const name = make("span", "name", element, "gridcell");
  const fold = make("button", "fold", name);
  fold.type = "button";
  fold.tabIndex = -1; // with the arrow keys
  const cells = { name, fold, label: make("b", "", name), kind: make("small", "", name) };
  cells.state = make("span", "state", make("span", "", element, "gridcell"));
  cells.activity = make("span", "", element, "gridcell");
  cells.age = make("span", "number", element, "gridcell");
  cells.polls = make("span", "number", element, "gridcell");
  cells.busy = make("span", "number", element, "gridcell");
  cells.launched = make("span", "place", element, "gridcell");
  return { element, cells, data: null };
}

const SYMBOLS = { RUNNING: "▶", SUSPENDED: "‖", CREATED: "○" };

function fill(row, data) {
  const { element, cells } = row;
  row.data = data;
  const indent = `${Math.min(data.depth, DEEPEST_INDENT) * 16}px`;
  if (cells.name.style.paddingLeft !== indent) cells.name.style.paddingLeft = indent;
  element.setAttribute("aria-level", data.depth + 1);
  const parent = data.below > 0;
  cells.fold.classList.toggle("none", !parent);
  set(cells.fold, data.collapsed ? "▸" : "▾");
  cells.fold.setAttribute("aria-label", data.collapsed ? "Expand" : "Collapse");
  if (parent) element.setAttribute("aria-expanded", String(!data.collapsed));
  else element.removeAttribute("aria-expanded");
  const deep = data.depth > DEEPEST_INDENT ? `[${data.depth}] ` : "";
  set(cells.label, deep + title(data));
  const hidden = data.collapsed && parent ? ` +${data.below}` : "";
  const state = data.job_state === "Active" ? "" : ` ${data.job_state}`;
  set(cells.kind, data.builder + state + hidden);
  set(cells.state, `${SYMBOLS[data.state] ?? ""} ${data.state.toLowerCase()}`);
  cells.state.className = `state ${data.state.toLowerCase()}`;
  set(cells.activity, activity(data));
  cells.activity.title = data.waits.map((trace) => line(trace[0], true)).join("\n");
  set(cells.age, time(data.age_us));
  set(cells.polls, data.polls.toLocaleString("en"));
  set(cells.busy, time(data.busy_us));
  set(cells.launched, place(data.launched));
  cells.launched.title = line(data.launched, true);
}

function show(listing) {
  const body = id("rows");
  const live = new Set();
  let at = body.firstElementChild;
  for (const data of listing.coroutines) {
    live.add(data.key);
    let row = rows.get(data.key);
    if (!row) rows.set(data.key, (row = makeRow(data.key)));
    fill(row, data);
    if (row.element === at) at = at.nextElementSibling;
    else body.insertBefore(row.element, at);
  }
  const focused = document.activeElement?.closest?.("#rows .row");
  const next = focused && nearest(focused, live);
  for (const [key, row] of rows) {
    if (!live.has(key)) {
      row.element.remove();
      rows.delete(key);
    }
  }
  if (!rows.has(current)) current = next ?? listing.coroutines[0]?.key ?? null;
  for (const [key, row] of rows) row.element.tabIndex = key === current ? 0 : -1;
  if (focused && !focused.isConnected) rows.get(current)?.element.focus();
  // Those that have ended are not asked for again.
  const kept = new Set(listing.collapsed);
  for (const key of collapsed) if (!kept.has(key)) collapsed.delete(key);

  showDeadlocks(listing.deadlocks);
  const { process, states, total, matching, listed } = listing;
  set(id("process"), `${process.name} (${process.id})`);
  document.title = `${process.name}: corox inspector`;
  for (const state of ["running", "suspended", "created"]) set(id(state), states[state].toLocaleString("en"));
  const found = words ? `${matching} of ${total} coroutines match` : `${total} coroutines`;
  const when = new Date().toLocaleTimeString();
  report(`${found}, ${paused ? "paused" : "as of"} ${when}; known since the inspector began ${time(process.inspected_us)} ago`);
  id("none").hidden = listing.coroutines.length > 0;
  const shown = listing.coroutines.length;
  id("rest").hidden = shown >= listed;
  set(id("rest-text"), `Showing the first ${shown} of ${listed}. Search, or collapse what is not needed.`);
  id("more").hidden = limit >= HIGHEST;
  details();
}

/** Left alone while they are the same: a screen reader reads out what is new. */
function showDeadlocks(deadlocks) {
  const list = id("deadlocks");
  list.hidden = deadlocks.length === 0;
  while (list.children.length > deadlocks.length) list.lastElementChild.remove();
  while (list.children.length < deadlocks.length) make("li", "", list);
  deadlocks.forEach((text, index) => {
    const item = list.children[index];
    set(item, shorten(text).replace(/^Deadlock: /, "Deadlock\n").replaceAll(", which ", ",\nwhich "));
    item.title = text;
  });
}

/** The key of the row that takes the focus of one that goes. */
function nearest(element, live) {
  for (const way of ["nextElementSibling", "previousElementSibling"]) {
    for (let at = element; at; at = at[way]) {
      const key = Number(at.dataset.key);
      if (live.has(key)) return key;
    }
  }
  return null;
}

function report(text, bad = false) {
  set(id("status"), text);
  id("status").classList.toggle("bad", bad);
}

// --- Asking

async function get(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(`${answer.status}: ${(await answer.text()).trim()}`);
  return answer;
}

async function refresh() {
  clearTimeout(timer);
  const number = ++asked;
  const query = new URLSearchParams({ limit });
  if (words) query.set("q", words);
  if (collapsed.size) query.set("collapsed", [...collapsed].join(","));
  try {
    const listing = await (await get(`/api/coroutines?${query}`)).json();
    // An answer that was overtaken is not shown.
    if (number === asked) show(listing);
  } catch (error) {
    if (number === asked) report(`No answer from the program (${error.message}). What is shown is old.`, true);
  }
  if (number === asked) again();
}

function again() {
  clearTimeout(timer);
  if (!paused && !document.hidden) timer = setTimeout(refresh, PERIOD);
}

// --- Details

function details() {
  const data = rows.get(chosen)?.data;
  for (const [key, row] of rows) {
    row.element.classList.toggle("chosen", key === chosen);
    row.element.setAttribute("aria-selected", String(key === chosen));
  }
  const panel = id("details");
  panel.hidden = chosen === null;
  if (chosen === null) return;
  const list = id("details-list");
  if (!data) {
    if (!id("details-title").textContent.endsWith(" (not listed any more)")) {
      id("details-title").textContent += " (not listed any more)";
    }
    return;
  }
  set(id("details-title"), `${title(data)} · ${data.kind}`);
  const entries = [
    ["State", `${data.state.toLowerCase()}, its job is ${data.job_state.toLowerCase()}`],
    ["Now", activity(data)],
    ["Launched", line(data.launched, true)],
    ["Inside", data.parent_description ?? "nothing that is known"],
    ["Below", `${data.below} coroutines`],
    ["Age", time(data.age_us)],
    ["Polled", `${data.polls.toLocaleString("en")} times, ${time(data.busy_us)} in all`],
  ];
  const traces = data.waits.map((trace, at) => [
    at > 0 ? "At the same time" : data.waits_are_over ? "Waited last" : "Waits",
    trace.map((frame) => line(frame, true)),
  ]);
  // Only what changes: else a selection of text would be lost each second.
  [...entries, ...traces].forEach(([term, text], at) => {
    const name = list.children[2 * at] ?? make("dt", "", list);
    const entry = list.children[2 * at + 1] ?? make("dd", "", list);
    set(name, term);
    const known = JSON.stringify(text);
    if (entry.dataset.known === known) return;
    entry.dataset.known = known;
    if (typeof text === "string") {
      entry.textContent = text;
      return;
    }
    entry.replaceChildren();
    const lines = make("ol", "", entry);
    for (const each of text) make("li", "", lines).textContent = each;
  });
  while (list.children.length > 2 * (entries.length + traces.length)) list.lastElementChild.remove();
}

function choose(key) {
  chosen = chosen === key ? null : key;
  details();
}

function fold(key, folded) {
  const row = rows.get(key);
  if (!row || row.data.below === 0 || row.data.collapsed === folded) return;
  if (folded && collapsed.size < COLLAPSED) collapsed.add(key);
  else collapsed.delete(key);
  refresh();
}

function focusOn(element) {
  if (!element) return;
  const before = rows.get(current);
  if (before) before.element.tabIndex = -1;
  current = Number(element.dataset.key);
  element.tabIndex = 0;
  element.focus();
}

/** The row around one. */
function outer(element) {
  const level = Number(element.getAttribute("aria-level"));
  let at = element.previousElementSibling;
  while (at && Number(at.getAttribute("aria-level")) >= level) at = at.previousElementSibling;
  return at;
}

// --- Events

id("rows").addEventListener("click", (event) => {
  const element = event.target.closest(".row");
  if (!element) return;
  const key = Number(element.dataset.key);
  focusOn(element);
  if (event.target.closest(".fold")) fold(key, !rows.get(key).data.collapsed);
  else choose(key);
});

id("rows").addEventListener("keydown", (event) => {
  const element = event.target.closest(".row");
  if (!element || event.ctrlKey || event.altKey || event.metaKey) return;
  const key = Number(element.dataset.key);
  const open = element.getAttribute("aria-expanded");
  const actions = {
    ArrowDown: () => focusOn(element.nextElementSibling),
    ArrowUp: () => focusOn(element.previousElementSibling),
    Home: () => focusOn(id("rows").firstElementChild),
    End: () => focusOn(id("rows").lastElementChild),
    ArrowRight: () => (open === "false" ? fold(key, false) : open && focusOn(element.nextElementSibling)),
    ArrowLeft: () => (open === "true" ? fold(key, true) : focusOn(outer(element))),
    Enter: () => choose(key),
    " ": () => choose(key),
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

document.addEventListener("keydown", (event) => {
  if (id("dump-dialog").open) return;
  if (event.key === "/" && event.target !== id("words")) {
    event.preventDefault();
    id("words").focus();
  } else if (event.key === "Escape" && chosen !== null) {
    closeDetails();
  }
});

function closeDetails() {
  const element = rows.get(chosen)?.element;
  choose(chosen);
  focusOn(element);
}

id("details-close").addEventListener("click", closeDetails);

id("search").addEventListener("submit", (event) => event.preventDefault());
id("words").addEventListener("input", () => {
  words = id("words").value.trim();
  history.replaceState(null, "", words ? `#${encodeURIComponent(words)}` : location.pathname);
  // Also while it is paused.
  clearTimeout(timer);
  timer = setTimeout(refresh, 150);
});

id("pause").addEventListener("click", () => {
  paused = !paused;
  id("pause").setAttribute("aria-pressed", String(paused));
  set(id("pause"), paused ? "Go on" : "Pause");
  if (paused) {
    asked += 1; // what is on its way is not shown
    clearTimeout(timer);
    report("Paused. " + id("status").textContent);
  } else {
    refresh();
  }
});

id("more").addEventListener("click", () => {
  limit = Math.min(limit * 2, HIGHEST);
  refresh();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !paused) refresh();
});

async function dump() {
  const say = (text) => set(id("dump-status"), text);
  id("dump-again").disabled = true;
  say("Each coroutine is asked for its stack …");
  try {
    const text = await (await get("/api/dump")).text();
    id("dump-text").textContent = text;
    say(`${text.split("\n\nCoroutine ").length - 1} coroutines`);
  } catch (error) {
    say(`No dump: ${error.message}`);
  }
  id("dump-again").disabled = false;
}

id("dump").addEventListener("click", () => {
  id("dump-dialog").showModal();
  dump();
});
id("dump-again").addEventListener("click", dump);
id("dump-close").addEventListener("click", () => id("dump-dialog").close());
id("dump-copy").addEventListener("click", async () => {
  const text = id("dump-text");
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch {
    // Not allowed, or no secure context: by the selection.
    getSelection().selectAllChildren(text);
    if (!document.execCommand("copy")) {
      set(id("dump-status"), "The text is selected: copy it with the keyboard.");
      return;
    }
  }
  set(id("dump-status"), "Copied.");
});

/** The search is in the address, behind the `#`: a link to the page may have one. */
function search() {
  try {
    words = decodeURIComponent(location.hash.slice(1)).trim();
  } catch {
    words = "";
  }
  id("words").value = words;
  refresh();
}

window.addEventListener("hashchange", search);
search();
