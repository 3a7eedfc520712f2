"use strict";
// Everything is in the page already; this only hides, shows and moves. Without it the page can still be read whole.
const $ = (id) => document.getElementById(id);
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
for (const button of all("button[hidden]")) button.hidden = Boolean(button.closest(".chart-tools"));

// Findings: one verdict or all of them, and words that must stand in them.
const findings = all("details.finding");
const texts = new Map(findings.map((one) => [one, one.textContent.toLowerCase()]));
let verdict = "";

function filter() {
  if (!$("search")) return;
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const one of findings) {
    const fits = (!verdict || one.dataset.verdict === verdict) && words.every((word) => texts.get(one).includes(word));
    one.classList.toggle("out", !fits);
    count += fits;
  }
  // What passed is folded, until somebody looks for it.
  const looked = verdict || words.length;
  if ($("rest") && looked && all("details.finding:not(.out)", $("rest")).length) $("rest").open = true;
  $("shown").textContent = `${count} of ${findings.length} findings shown`;
}

for (const button of all("button.filter")) {
  button.addEventListener("click", () => {
    verdict = button.dataset.verdict === verdict ? "" : button.dataset.verdict;
    for (const other of all("button.filter"))
      other.setAttribute("aria-pressed", String(other.dataset.verdict === verdict));
    filter();
  });
}
$("search")?.addEventListener("input", filter);
filter();

// Settings by any word in their line.
const settings = all("table.settings tbody tr");
function filterSettings() {
  const words = $("setting-search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of settings) {
    const text = row.textContent.toLowerCase();
    const fits = words.every((word) => text.includes(word));
    row.classList.toggle("out", !fits);
    count += fits;
  }
  $("settings-shown").textContent = `${count} of ${settings.length} settings shown`;
}
if ($("setting-search")) {
  $("setting-search").addEventListener("input", filterSettings);
  filterSettings();
}

// Fixes to the clipboard; where a browser does not allow that, the text is selected instead.
for (const button of all("button.copy")) {
  button.addEventListener("click", async () => {
    const code = button.closest(".fix").querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}

// Tokens: one tooltip for all of them.
const tip = $("tip");
let current = null;

function told(token) {
  const run = token.parentElement;
  const index = [...run.children].indexOf(token);
  const inLoss = run.classList.contains("in-loss");
  const label = inLoss ? `${token.dataset.l ?? token.dataset.i}, in the loss` : "-100, masked";
  const position = Number(run.dataset.first) + index;
  return { token: JSON.stringify(token.textContent.replaceAll("↵\n", "\n")), id: token.dataset.i, label,
           role: run.dataset.role, position: position.toLocaleString("en") };
}

function show(token) {
  hide();
  current = token;
  token.classList.add("now");
  token.setAttribute("aria-describedby", "tip");
  const list = document.createElement("dl");
  for (const [name, value] of Object.entries(told(token))) {
    const row = document.createElement("div");
    row.append(document.createElement("dt"), document.createElement("dd"));
    row.firstChild.textContent = name;
    row.lastChild.textContent = value;
    list.append(row);
  }
  tip.replaceChildren(list);
  tip.hidden = false;
  place(token.getClientRects()[0] ?? token.getBoundingClientRect());
}

function place(box) {
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.left, innerWidth - width - 8));
  const top = box.top - height >= 16 ? box.top - height - 8 : box.bottom + 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${Math.max(8, Math.min(top, innerHeight - height - 8))}px`;
}

function hide() {
  if (current) {
    current.classList.remove("now");
    current.removeAttribute("aria-describedby");
  }
  current = null;
  tip.hidden = true;
}

const visible = (token) => token.getClientRects().length > 0;
const tokensOf = (box) => all(".t", box).filter(visible);

function moved(box, key) {
  const tokens = tokensOf(box);
  const at = tokens.indexOf(current);
  if (at < 0) return key === "End" ? tokens.at(-1) : tokens[0];
  if (key === "Home") return tokens[0];
  if (key === "End") return tokens.at(-1);
  const rtl = getComputedStyle(box).direction === "rtl";
  if (key === "ArrowRight" || key === "ArrowLeft") return tokens[at + ((key === "ArrowRight") === !rtl ? 1 : -1)];
  const step = key === "ArrowDown" ? 1 : -1;
  const here = current.getClientRects()[0];
  let best = null;
  let line = null;
  for (let next = at + step; next >= 0 && next < tokens.length; next += step) {
    const box = tokens[next].getClientRects()[0];
    if (Math.abs(box.top - here.top) < here.height / 2) continue;
    line ??= box.top;
    if (Math.abs(box.top - line) > here.height / 2) break;
    if (!best || Math.abs(box.left - here.left) < Math.abs(best.getClientRects()[0].left - here.left)) best = tokens[next];
  }
  return best;
}

for (const box of all(".tokens")) {
  box.addEventListener("pointerover", (event) => {
    const token = event.target.closest(".t");
    if (token) show(token);
  });
  box.addEventListener("pointerleave", () => document.activeElement !== current && hide());
  box.addEventListener("pointerdown", (event) => {
    const token = event.target.closest(".t");
    if (token) focusOn(token);
  });
  box.addEventListener("focusout", hide);
  box.addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const token = moved(box, event.key);
    if (token) focusOn(token);
  });
}

function focusOn(token) {
  token.tabIndex = -1;
  token.focus({ preventScroll: true });
  token.scrollIntoView({ block: "nearest", behavior: "instant" });
  show(token);
}

addEventListener("keydown", (event) => event.key === "Escape" && hide());
// Captured, because an example may scroll by itself.
const follow = () => current && place(current.getClientRects()[0] ?? current.getBoundingClientRect());
addEventListener("scroll", follow, { passive: true, capture: true });

$("in-loss-only")?.addEventListener("click", (event) => {
  const on = $("tokens").classList.toggle("in-loss-only");
  event.currentTarget.setAttribute("aria-pressed", String(on));
  hide();
});

// A link may lead into something that is closed or filtered out.
function open() {
  const target = location.hash && $(decodeURIComponent(location.hash.slice(1)));
  for (let one = target && target.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", open);
open();

// Light and dark: as the system has it, until someone says otherwise.
const system = matchMedia("(prefers-color-scheme: dark)");
const dark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
const press = () => $("theme").setAttribute("aria-pressed", String(dark()));
$("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = dark() ? "light" : "dark";
  press();
  redraw();
});
// A canvas has the colours of the moment at which it was drawn.
const redraw = () => typeof charts !== "undefined" && charts.redraw();
system.addEventListener("change", () => {
  press();
  redraw();
});
press();

// Paper has nothing to click.
let closed = [];
addEventListener("beforeprint", () => {
  closed = all("details:not([open])");
  for (const one of closed) one.open = true;
});
addEventListener("afterprint", () => {
  for (const one of closed) one.open = false;
});
