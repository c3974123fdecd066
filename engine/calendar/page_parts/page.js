"use strict";
(() => {
  const told = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const names = told.cadences.map((each) => each.cadence);
  const titles = Object.fromEntries(told.cadences.map((each) => [each.cadence, each.title]));
  const colour = (name) => `var(--c${Math.min(names.indexOf(name), 7)})`;
  const amount = (mails) => mails.toLocaleString("en", { maximumFractionDigits: mails < 10 && mails % 1 ? 1 : 0 });
  const at = (iso) => new Date(iso + "T00:00:00Z");
  const iso = (date) => date.toISOString().slice(0, 10);
  const say = (date, form) => date.toLocaleDateString("en-GB", { timeZone: "UTC", ...form });
  const long = (day) => say(at(day), { weekday: "short", day: "numeric", month: "short", year: "numeric" });
  const make = (tag, given = {}, ...inside) => {
    const found = Object.assign(document.createElement(tag), given);
    found.append(...inside);
    return found;
  };
  const draw = (tag, given) => {
    const found = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(given)) found.setAttribute(key, value);
    return found;
  };
  const hidden = new Set();
  const TO_COME = "";  // beside the cadences: the part of their mails that is to people still to come
  let by = "week";

  // In the way, by day; what spans weeks is told in the table only.
  const ways = {};
  for (const each of told.collisions) if (each.day === each.until) (ways[each.day] ||= []).push(each);

  const periods = {
    day: (day) => day,
    week: (day) => { const date = at(day); date.setUTCDate(date.getUTCDate() - (date.getUTCDay() + 6) % 7); return iso(date); },
    month: (day) => day.slice(0, 7) + "-01",
  };
  const called = {
    day: long,
    week: (day) => "Week of " + say(at(day), { day: "numeric", month: "short", year: "numeric" }),
    month: (day) => say(at(day), { month: "long", year: "numeric" }),
  };

  function sums(period) {
    const found = new Map();
    for (const day of told.days) {
      const key = periods[period](day.day);
      if (!found.has(key)) found.set(key, { [TO_COME]: {} });
      const into = found.get(key);
      for (const [name, mails] of Object.entries(day.by_cadence)) into[name] = (into[name] || 0) + mails;
      for (const [name, mails] of Object.entries(day.to_newcomers)) into[TO_COME][name] = (into[TO_COME][name] || 0) + mails;
    }
    return [...found];
  }

  const seen = (mails) => names.reduce((sum, name) => sum + (hidden.has(name) ? 0 : mails[name] || 0), 0);

  function round(most) {
    const size = 10 ** Math.floor(Math.log10(most || 1));
    return [1, 2, 2.5, 5, 10].map((step) => step * size / 2).find((step) => step * 4 >= most) || size * 10;
  }

  function plot() {
    const bars = sums(by), height = 300, foot = 26, room = $("scroll").clientWidth;
    const least = by === "day" ? 2 : 2.6, width = Math.max(room, bars.length * least + 44), left = 44;
    const each = (width - left) / bars.length, most = Math.max(1, ...bars.map(([, mails]) => seen(mails)));
    const step = round(most), top = step * Math.ceil(most / step), y = (mails) => 10 + (height - 10) * (1 - mails / top);
    const svg = draw("svg", { width, height: height + foot, role: "img", "aria-label": `Mails by ${by}` });
    $("axis").replaceChildren();
    for (let line = 0; line <= top + 1e-9; line += step) {
      svg.append(draw("line", { class: "grid", x1: 0, x2: width, y1: y(line), y2: y(line) }));
      if (line) $("axis").append(make("span", { textContent: amount(line), style: `top:${y(line)}px` }));
    }
    const gap = each > 12 ? 4 : each > 5 ? 1.5 : each > 2.5 ? 0.6 : 0;
    let last = -99;
    bars.forEach(([key, mails], number) => {
      const x = left + number * each;
      const isNew = by === "month" || key.slice(0, 7) !== (bars[number - 1]?.[0] || "").slice(0, 7);
      const isYear = isNew && key.slice(5, 7) === "01";
      if (isYear) svg.append(draw("line", { class: "year", x1: x, x2: x, y1: 10, y2: height }));
      if (isNew && x - last > 52 && x < width - 30) {
        const text = draw("text", { x: x + (by === "month" ? each / 2 : 0), y: height + 18, "text-anchor": by === "month" ? "middle" : "start" });
        text.textContent = say(at(key), { month: "short" }) + (isYear || last < 0 ? " " + key.slice(2, 4) : "");
        svg.append(text);
        last = x;
      }
      let base = 0;
      const stack = (name, part, kind) => {
        if (hidden.has(name) || !(part > 0)) return;
        const [low, high] = [y(base), y(base + part)];
        svg.append(draw("rect", { class: kind, x: x + gap / 2, y: high, width: Math.max(each - gap, 0.8), height: Math.max(low - high, 0.3), fill: colour(name) }));
        base += part;
      };
      const toCome = mails[TO_COME];
      for (const name of names) stack(name, (mails[name] || 0) - (toCome[name] || 0), "inside");
      for (const name of names) stack(name, toCome[name], "new");
    });
    const lit = draw("rect", { class: "lit", y: 10, height: height - 10, width: Math.max(each, 2), visibility: "hidden" });
    svg.append(lit);
    const point = (event) => {
      const number = Math.floor((event.clientX - svg.getBoundingClientRect().left - left) / each);
      if (number < 0 || number >= bars.length) return untell();
      lit.setAttribute("x", left + number * each);
      lit.setAttribute("visibility", "visible");
      tell(event, called[by](bars[number][0]), bars[number][1], by === "day" ? ways[bars[number][0]] : null);
    };
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
    svg.addEventListener("pointerleave", () => { untell(); lit.setAttribute("visibility", "hidden"); });
    $("chart").replaceChildren(svg);
    $("by").textContent = by;
  }

  function tell(event, when, mails, inTheWay) {
    const tip = $("tip");
    tip.replaceChildren(make("b", { textContent: `${when}: ${amount(seen(mails))} mails` }));
    for (const name of names) {
      if (!mails[name] || hidden.has(name)) continue;
      const mark = make("i");
      mark.style.background = colour(name);
      tip.append(make("div", {}, mark, titles[name], make("span", { textContent: amount(mails[name]) })));
    }
    if (mails[TO_COME] && seen(mails[TO_COME])) tip.append(make("p", { textContent: `${amount(seen(mails[TO_COME]))} of them to people still to come` }));
    for (const each of inTheWay || []) tip.append(make("p", { textContent: each.reason }));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(6, Math.min(event.clientX + 14, innerWidth - box.width - 6)) + "px";
    tip.style.top = (event.clientY - box.height - 14 > 4 ? event.clientY - box.height - 14 : event.clientY + 18) + "px";
  }

  const untell = () => { $("tip").hidden = true; };

  function legend() {
    $("legend").replaceChildren(...told.cadences.map((each) => {
      const mark = make("i");
      mark.style.background = colour(each.cadence);
      const button = make("button", { type: "button" }, mark, each.title);
      button.setAttribute("aria-pressed", String(!hidden.has(each.cadence)));
      button.onclick = () => { hidden.delete(each.cadence) || hidden.add(each.cadence); legend(); plot(); };
      return button;
    }));
  }

  function heat() {
    const full = told.days.map((day) => day.mails).filter((mails) => mails > 0).sort((a, b) => a - b);
    const border = [0.25, 0.5, 0.8].map((share) => full[Math.floor(share * full.length)] || Infinity);
    const shade = (mails) => mails <= 0 ? "" : "h" + (1 + border.filter((each) => mails > each).length);
    const months = new Map();
    for (const day of told.days) {
      const key = day.day.slice(0, 7);
      if (!months.has(key)) months.set(key, []);
      months.get(key).push(day);
    }
    for (const [key, days] of months) {
      const grid = make("div", { className: "days" });
      const before = (at(days[0].day).getUTCDay() + 6) % 7;
      for (let blank = 0; blank < before; blank++) grid.append(make("i", { className: "out" }));
      for (const day of days) {
        const cell = make("i", { className: shade(day.mails) + (ways[day.day] ? " way" : "") });
        const show = (event) => tell(event, long(day.day), { ...day.by_cadence, [TO_COME]: day.to_newcomers }, ways[day.day]);
        cell.addEventListener("pointermove", show);
        cell.addEventListener("pointerdown", show);
        cell.addEventListener("pointerleave", untell);
        grid.append(cell);
      }
      const sum = days.reduce((all, day) => all + day.mails, 0);
      const head = make("h3", {}, say(at(key + "-01"), { month: "short", year: "numeric" }), make("span", { textContent: amount(Math.round(sum)) }));
      $("months").append(make("div", {}, head, grid));
    }
    const swatches = ["", "h1", "h2", "h3", "h4"].map((name) => make("i", { className: name, style: "background:var(--h0)" }));
    $("scale").append("none", ...swatches, "most");
  }

  function byMonth() {
    const head = make("tr", {}, make("th", { textContent: "Month" }), ...names.map((name) => make("th", { className: "number", textContent: titles[name] })), make("th", { className: "number", textContent: "All" }));
    const rows = sums("month").map(([key, mails]) => make("tr", {}, make("td", { className: "when", textContent: called.month(key) }),
      ...names.map((name) => make("td", { className: "number", textContent: amount(Math.round(mails[name] || 0)) })),
      make("td", { className: "number", textContent: amount(Math.round(names.reduce((sum, name) => sum + (mails[name] || 0), 0))) })));
    $("by-month").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  }

  const fullest = told.days.reduce((most, day) => day.mails > most.mails ? day : most, told.days[0]);
  $("fullest").textContent = amount(Math.round(fullest.mails));
  $("fullest-day").textContent = fullest.mails ? "on the fullest day, " + say(at(fullest.day), { day: "numeric", month: "short", year: "numeric" }) : "on the fullest day";
  for (const each of document.querySelectorAll("[data-date]")) each.textContent = say(at(each.dataset.date), { day: "numeric", month: "short", year: "numeric" });
  for (const each of document.querySelectorAll(".switch button")) each.onclick = () => {
    by = each.dataset.by;
    for (const other of document.querySelectorAll(".switch button")) other.setAttribute("aria-pressed", String(other === each));
    plot();
  };
  if ($("all")) $("all").onclick = () => { document.querySelector(".stacks").classList.add("open"); $("all").remove(); };
  addEventListener("scroll", untell, { passive: true });
  addEventListener("resize", plot);
  const wished = location.hash.slice(1);
  legend(); heat(); byMonth(); plot();
  if (wished in periods) document.querySelector(`[data-by=${wished}]`).click();
})();
