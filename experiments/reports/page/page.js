"use strict";
(function () {
  const table = document.getElementById("pairs");
  if (!table) { return; }
  const rows = Array.from(table.tBodies[0].rows);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const search = document.getElementById("search");
  const boxes = Array.from(document.querySelectorAll("input[data-flag]"));
  const order = document.getElementById("order");
  const count = document.getElementById("count");
  document.getElementById("controls").hidden = false;
  function filter() {
    const wanted = search.value.toLowerCase().trim();
    const flags = boxes.filter((box) => box.checked).map((box) => box.dataset.flag);
    let shown = 0;
    rows.forEach((row, place) => {
      const has = row.dataset.flags.split(" ");
      const on = texts[place].includes(wanted) && flags.every((flag) => has.includes(flag));
      row.hidden = !on;
      shown += on ? 1 : 0;
    });
    count.textContent = shown + " of " + rows.length + " rows";
  }
  function arrange() {
    const key = order.value;
    const sorted = key === "listed" ? rows
      : rows.slice().sort((one, other) => Number(one.dataset[key]) - Number(other.dataset[key]));
    table.tBodies[0].append(...sorted);
  }
  search.addEventListener("input", filter);
  boxes.forEach((box) => box.addEventListener("change", filter));
  order.addEventListener("change", arrange);
  filter();
})();
