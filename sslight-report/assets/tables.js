"use strict";

// Searches the table of the configuration. That rows are the same in all runs is hidden by the style sheet.
{
  const search = document.getElementById("config-search");
  const count = document.getElementById("config-count");
  const only = document.getElementById("only-differences");

  if (search) {
    const rows = [...document.querySelectorAll("table.config tbody tr")];
    const texts = rows.map((row) => row.textContent.toLowerCase());

    const update = () => {
      const words = search.value.toLowerCase().split(/\s+/);
      let shown = 0;
      rows.forEach((row, index) => {
        row.hidden = !words.every((word) => texts[index].includes(word));
        const same = only?.checked && row.classList.contains("same");
        shown += !row.hidden && !same;
      });
      count.textContent = `${shown} of ${rows.length} rows`;
    };

    search.addEventListener("input", update);
    only?.addEventListener("change", update);
    update();
  }
}
