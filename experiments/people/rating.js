"use strict";
(function () {
  const body = document.body;
  const items = Array.from(document.querySelectorAll(".item"));
  const rater = document.getElementById("rater");
  const status = document.getElementById("status");
  const done = document.getElementById("done");
  const saved = document.getElementById("saved");
  const kept = "ratings " + body.dataset.campaign;
  const severities = ["", "minor", "major"];
  let place = 0;

  function candidates(item) { return Array.from(item.querySelectorAll(".candidate")); }

  // Scores: seven buttons, or a number with a slider that says the same.
  function scoreOf(candidate) {
    const chosen = candidate.querySelector("input[type=radio]:checked");
    if (chosen) { return Number(chosen.value); }
    const number = candidate.querySelector("input[type=number]");
    return number && number.value !== "" && number.validity.valid ? Number(number.value) : null;
  }
  function setScore(candidate, score) {
    candidate.querySelectorAll("input[type=radio]").forEach((each) => { each.checked = Number(each.value) === score; });
    candidate.querySelectorAll("input[type=number], input[type=range]").forEach((each) => { each.value = String(score); });
  }
  items.flatMap(candidates).forEach((candidate) => {
    const number = candidate.querySelector("input[type=number]");
    const range = candidate.querySelector("input[type=range]");
    if (number) {
      number.addEventListener("input", () => { if (number.value !== "") { range.value = number.value; } });
      range.addEventListener("input", () => { number.value = range.value; });
    }
    candidate.addEventListener("input", changed);
  });

  // Errors: each word is a button; arrow keys move, so that the text is one stop of the Tab key.
  function words(candidate) { return Array.from(candidate.querySelectorAll(".word")); }
  function mark(word, severity) {
    word.dataset.severity = severity;
    word.setAttribute("aria-label", word.textContent.trim() + (severity ? ", " + severity + " error" : ""));
  }
  function addWords(area) {
    const text = document.getElementById(area.dataset.text);
    const whole = text.querySelector("em") ? "" : text.textContent;
    const units = body.dataset.spaced === "yes" ? whole.split(" ").filter(Boolean) : Array.from(whole);
    const gap = body.dataset.spaced === "yes" ? " " : "";
    area.setAttribute("role", "group");
    area.dir = "auto";
    const all = units.concat(["[missing]"]).map((unit, at) => {
      const word = document.createElement("span");
      word.className = at < units.length ? "word" : "word missing";
      word.textContent = unit;
      word.setAttribute("role", "button");
      word.tabIndex = at ? -1 : 0;
      mark(word, "");
      area.append(word, gap || (at + 1 === units.length ? " " : ""));
      return word;
    });
    text.hidden = units.length > 0;
    function press(word) {
      mark(word, severities[(severities.indexOf(word.dataset.severity) + 1) % severities.length]);
      changed();
    }
    function go(from, to) {
      if (to < 0 || to >= all.length) { return; }
      all[from].tabIndex = -1;
      all[to].tabIndex = 0;
      all[to].focus();
    }
    area.addEventListener("click", (event) => {
      const at = all.indexOf(event.target);
      if (at >= 0) { go(all.findIndex((word) => word.tabIndex === 0), at); press(all[at]); }
    });
    area.addEventListener("keydown", (event) => {
      const at = all.indexOf(event.target);
      if (at < 0) { return; }
      const back = getComputedStyle(area).direction === "rtl" ? "ArrowRight" : "ArrowLeft";
      const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -at, End: all.length - 1 - at };
      if (event.key === "Enter" || event.key === " ") { press(all[at]); event.preventDefault(); }
      else if (event.key in steps) {
        const turned = back === "ArrowRight" && event.key.startsWith("Arrow") ? -1 : 1;
        go(at, at + turned * steps[event.key]);
        event.preventDefault();
      }
    });
  }
  document.querySelectorAll(".marks").forEach(addWords);
  function errorsOf(candidate) {
    const errors = [];
    words(candidate).forEach((word, at, all) => {
      const severity = word.dataset.severity;
      // Neighbours of one severity are one error.
      if (severity && (word.classList.contains("missing") || !at || all[at - 1].dataset.severity !== severity)) {
        errors.push(severity);
      }
    });
    return errors;
  }

  // What was rated, as a file, and in the browser until the page is opened again.
  function answers() {
    return items.flatMap((item) => candidates(item).map((candidate) => ({
      item: item.dataset.item, candidate: candidate.dataset.candidate, score: scoreOf(candidate),
      errors: errorsOf(candidate), marks: words(candidate).map((word) => word.dataset.severity)
    }))).filter((answer) => answer.score !== null || answer.errors.length);
  }
  function record() {
    return { campaign: body.dataset.campaign, rater: rater.value.trim(),
      ratings: answers().filter((answer) => answer.score !== null) };
  }
  function restore(known) {
    if (!known || known.campaign !== body.dataset.campaign) {
      status.textContent = "That file is of other translations; open the one that this page saved.";
      return;
    }
    rater.value = String(known.rater || "");
    const places = new Map(items.flatMap((item) => candidates(item).map(
      (candidate) => [item.dataset.item + " " + candidate.dataset.candidate, candidate])));
    (known.ratings || []).forEach((answer) => {
      const candidate = places.get(answer.item + " " + answer.candidate);
      if (candidate) {
        if (typeof answer.score === "number") { setScore(candidate, answer.score); }
        const marks = answer.marks || [];
        words(candidate).forEach((word, at) => mark(word, severities.includes(marks[at]) ? marks[at] : ""));
      }
    });
    changed();
  }
  function isRated(item) { return candidates(item).every((candidate) => scoreOf(candidate) !== null); }
  function changed() {
    const rated = items.filter(isRated).length;
    done.value = rated;
    status.textContent = rated + " of " + items.length + " rated";
    document.querySelectorAll("input[type=range]").forEach((range) => {
      range.classList.toggle("unset", scoreOf(range.closest(".candidate")) === null);
    });
    try { localStorage.setItem(kept, JSON.stringify({ ...record(), ratings: answers() })); } catch { /* not allowed here */ }
  }
  rater.addEventListener("input", changed);
  document.getElementById("open").addEventListener("change", (event) => {
    const file = event.target.files[0];
    if (file) {
      file.text().then((text) => restore(JSON.parse(text))).catch(() => {
        status.textContent = "That is no file that this page saved.";
      });
    }
  });
  document.getElementById("save").addEventListener("click", () => {
    if (!rater.value.trim()) {
      status.textContent = "Put in your name or a pseudonym first.";
      rater.focus();
      return;
    }
    const text = JSON.stringify(record(), null, 1) + "\n";
    saved.value = text;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "ratings-" + body.dataset.name + "-" + rater.value.trim().replace(/[^\p{L}\p{N}]+/gu, "-") + ".json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    const left = items.length - items.filter(isRated).length;
    status.textContent = left ? "Saved; " + left + " of " + items.length + " are not rated yet." : "Saved; all are rated, thank you.";
  });

  // One item at a time.
  function show(to) {
    if (to < 0 || to >= items.length) { return; }
    items[place].hidden = true;
    place = to;
    items[place].hidden = false;
    const head = items[place].querySelector("h2");
    head.focus();
    document.getElementById("back").disabled = place === 0;
    document.getElementById("next").disabled = place === items.length - 1;
  }
  document.getElementById("back").addEventListener("click", () => show(place - 1));
  document.getElementById("next").addEventListener("click", () => show(place + 1));
  document.getElementById("unrated").addEventListener("click", () => {
    const order = items.map((_, at) => (place + 1 + at) % items.length);
    const to = order.find((at) => !isRated(items[at]));
    if (to === undefined) { status.textContent = "All are rated: save."; } else { show(to); }
  });
  document.getElementById("back").disabled = true;
  document.getElementById("next").disabled = items.length === 1;
  let before = null;
  try { before = JSON.parse(localStorage.getItem(kept)); } catch { /* nothing is kept */ }
  if (before) { restore(before); } else { changed(); }
})();
