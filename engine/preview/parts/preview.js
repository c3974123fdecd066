"use strict";
(() => {
  const ASK_EVERY = 150; // milliseconds
  const live = document.body.hasAttribute("data-live");
  const mail = document.body.dataset.mail;
  const search = document.getElementById("search");
  const views = ["light", "dark", "text", "headers"];

  // Frames as high as the mail in them, so that the page scrolls and the mail does not.
  function fit(frame) {
    const inside = frame.contentDocument?.documentElement;
    if (!inside || !frame.offsetParent) return;
    const body = frame.contentDocument.body;
    frame.style.height = Math.max(body ? body.scrollHeight : 0, inside.offsetHeight, 120) + "px";
  }
  const fitAll = () => document.querySelectorAll("iframe").forEach(fit);
  function prepare() {
    for (const frame of document.querySelectorAll("iframe")) {
      frame.addEventListener("load", () => fit(frame));
      fit(frame);
    }
    for (const radio of document.querySelectorAll("input[name=view]")) radio.addEventListener("change", () => {
      history.replaceState(null, "", "#" + radio.id.replace("view-", ""));
      fitAll();
    });
  }
  function choose(view) {
    const radio = document.getElementById("view-" + (views.includes(view) ? view : "light"));
    if (radio) radio.checked = true;
    fitAll();
  }

  const entries = () => [...document.querySelectorAll(".list li:not([hidden]) a")];
  function sift() {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const entry of document.querySelectorAll(".list li")) entry.hidden = !words.every((word) => entry.dataset.words.includes(word));
    for (const link of document.querySelectorAll(".list a")) link.search = link.protocol.startsWith("http") && search.value ? "?q=" + encodeURIComponent(search.value) : "";
    sessionStorage.setItem("search", search.value);
  }
  function go(step) {
    const all = entries();
    const at = all.findIndex((each) => each.hasAttribute("aria-current"));
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step];
    if (next) location.href = next.href.replace(/#.*/, "") + location.hash;
  }
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === search) {
      if (event.key === "Escape") { search.value = ""; sift(); search.blur(); }
      if (event.key === "Enter") entries()[0]?.click();
      return;
    }
    if (event.key === "j" || (event.key === "ArrowRight" && event.target.type !== "radio")) go(1);
    else if (event.key === "k" || (event.key === "ArrowLeft" && event.target.type !== "radio")) go(-1);
    else if (event.key === "d") document.getElementById(document.getElementById("view-dark")?.checked ? "view-light" : "view-dark")?.click();
    else if (event.key === "/") { event.preventDefault(); search.focus(); }
  });

  // The new page's list and mail in place of the old ones; the view, the search and the place on the page stay.
  async function renew() {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector(".list").dataset.stamp = fresh.querySelector(".list").dataset.stamp;
    document.querySelector(".list ol").replaceWith(fresh.querySelector(".list ol"));
    document.querySelector(".home").replaceWith(fresh.querySelector(".home"));
    sift();
    if (document.querySelector("main").dataset.stamp === fresh.querySelector("main").dataset.stamp) return;
    const heights = [...document.querySelectorAll("iframe")].map((frame) => frame.style.height);
    fresh.querySelectorAll("iframe").forEach((frame, number) => { frame.style.height = heights[number] || ""; });
    const view = document.querySelector("input[name=view]:checked")?.id.replace("view-", "");
    document.querySelector("main").replaceWith(fresh.querySelector("main"));
    prepare();
    choose(view);
  }
  async function ask() {
    try {
      const answer = await fetch("stamp" + (mail ? "?mail=" + encodeURIComponent(mail) : ""), { cache: "no-store" });
      const now = answer.ok ? await answer.json() : null;
      const seen = { list: document.querySelector(".list").dataset.stamp, mail: document.querySelector("main").dataset.stamp };
      if (now && (now.list !== seen.list || (mail && now.mail !== seen.mail))) await renew();
      document.body.classList.remove("gone");
    } catch {
      document.body.classList.add("gone");
    }
    setTimeout(ask, document.hidden ? 1000 : ASK_EVERY);
  }

  search.hidden = false;
  search.value = new URLSearchParams(location.search).get("q") || sessionStorage.getItem("search") || "";
  search.addEventListener("input", sift);
  prepare();
  sift();
  choose(location.hash.slice(1));
  document.querySelector(".list [aria-current]")?.scrollIntoView({ block: "nearest" });
  addEventListener("resize", fitAll);
  if (live) ask();
})();
