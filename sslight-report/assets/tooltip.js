"use strict";

// The values under the cursor: all of them in the plot that is pointed at, the first part of each run in the others.
{
  const MOST_ROWS = 16;
  const MOST_ROWS_ELSEWHERE = 6;
  // Pixels between the cursor and an event that is named.
  const NEAR = 5;

  const nameOf = (line) => {
    const label = line.single ? null : line.label;
    return [report.several ? line.runName : null, label].filter(Boolean).join(", ") || line.label;
  };

  const row = ({ line, value }) =>
    report.element(
      "div",
      { class: "tip-row" },
      report.swatch(line.colour, line.dash),
      report.element("bdi", {}, nameOf(line)),
      report.element("b", {}, report.number(value)),
    );

  const valueOf = (chart, u, line, index) => {
    if (line.floor) {
      return line.y[0];
    }
    const at = u.cursor.idxs?.[index + 1];
    return at === null || at === undefined ? null : chart.values[index + 1][at];
  };

  const values = (chart, u, here) => {
    const rows = chart.lines
      .map((line, index) => ({ line, value: valueOf(chart, u, line, index), shown: u.series[index + 1].show }))
      .filter(({ line, value, shown }) => shown && !line.faint && value !== null);
    const floors = rows.filter(({ line }) => line.floor);
    const others = rows.filter(({ line }) => !line.floor);
    if (here) {
      return [...others, ...floors];
    }
    return others.filter(({ line }, index) => others.findIndex((other) => other.line.run === line.run) === index);
  };

  const events = (chart, u) =>
    chart.marks
      .filter((mark) => !report.choices.hiddenRuns.has(mark.run))
      .filter((mark) => Math.abs(u.valToPos(mark.x, "x") - u.cursor.left) <= NEAR)
      .map((mark) => [report.several ? mark.runName : null, mark.name, `step ${report.number(mark.step)}`])
      .map((words) => report.element("div", { class: "tip-event" }, words.filter(Boolean).join(", ")));

  const fill = (chart, u, box) => {
    const here = u.over.matches(":hover");
    const rows = [...(here ? events(chart, u) : []), ...values(chart, u, here).map(row)];
    box.hidden = u.cursor.left < 0 || rows.length === 0;
    if (box.hidden) {
      return;
    }
    const most = here ? MOST_ROWS : MOST_ROWS_ELSEWHERE;
    const place = report.number(chart.round(u.posToVal(u.cursor.left, "x")));
    box.replaceChildren(report.element("div", { class: "tip-head" }, `${chart.unit} ${place}`), ...rows.slice(0, most));
    if (rows.length > most) {
      box.append(report.element("div", { class: "tip-head" }, `and ${rows.length - most} more`));
    }
  };

  // Beside the cursor, on the side that has room.
  const put = (u, box) => {
    const { left, top } = u.cursor;
    const width = u.over.clientWidth;
    const onRight = left < width / 2;
    box.style.left = onRight ? `${left + 12}px` : "auto";
    box.style.right = onRight ? "auto" : `${width - left + 12}px`;
    const lowest = Math.max(0, u.over.clientHeight - box.offsetHeight);
    box.style.top = `${Math.min(Math.max(0, top - 20), lowest)}px`;
  };

  report.tooltip = (chart) => {
    const box = report.element("div", { class: "tip", "aria-hidden": "true" });
    box.hidden = true;
    return {
      hooks: {
        init: (u) => u.over.append(box),
        setCursor: (u) => {
          fill(chart, u, box);
          if (!box.hidden) {
            put(u, box);
          }
        },
      },
    };
  };
}
