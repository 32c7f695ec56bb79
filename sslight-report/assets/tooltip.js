"use strict";

// The values under the cursor, in every plot at once.
{
  const MOST_ROWS = 12;
  // Pixels between the cursor and an event that is named.
  const NEAR = 5;

  const row = (line, value) => {
    const name = [report.several || line.floor ? line.runName : null, line.label].filter(Boolean).join(", ");
    return report.element(
      "div",
      { class: "tip-row" },
      report.swatch(line.colour, line.dash),
      report.element("bdi", {}, name),
      report.element("b", {}, report.number(value)),
    );
  };

  const values = (chart, u) =>
    chart.lines
      .map((line, index) => ({ line, at: u.cursor.idxs?.[index + 1], shown: u.series[index + 1].show }))
      .filter(({ line, at, shown }) => shown && !line.faint && at !== null && at !== undefined)
      .map(({ line, at }) => row(line, chart.values[chart.lines.indexOf(line) + 1][at]));

  const events = (chart, u) =>
    chart.marks
      .filter((mark) => !report.choices.hiddenRuns.has(mark.run))
      .filter((mark) => Math.abs(u.valToPos(mark.x, "x") - u.cursor.left) <= NEAR)
      .map((mark) => report.element("div", { class: "tip-event" }, mark.name));

  report.tooltip = (chart) => {
    const box = report.element("div", { class: "tip", "aria-hidden": "true" });
    box.hidden = true;
    return {
      hooks: {
        init: (u) => u.over.append(box),
        setCursor: (u) => {
          const { left, top } = u.cursor;
          const rows = left >= 0 ? [...events(chart, u), ...values(chart, u)] : [];
          box.hidden = rows.length === 0;
          if (box.hidden) {
            return;
          }
          const more = rows.length - MOST_ROWS;
          const head = `${chart.unit} ${report.number(chart.round(u.posToVal(left, "x")))}`;
          box.replaceChildren(report.element("div", { class: "tip-head" }, head), ...rows.slice(0, MOST_ROWS));
          if (more > 0) {
            box.append(report.element("div", { class: "tip-head" }, `and ${more} more`));
          }
          // Beside the cursor, on the side that has room.
          const width = u.over.clientWidth;
          const onRight = left < width / 2;
          box.style.left = onRight ? `${left + 12}px` : "auto";
          box.style.right = onRight ? "auto" : `${width - left + 12}px`;
          const lowest = Math.max(0, u.over.clientHeight - box.offsetHeight);
          box.style.top = `${Math.min(Math.max(0, top < 0 ? 0 : top - 20), lowest)}px`;
        },
      },
    };
  };
}
