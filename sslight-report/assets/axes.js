"use strict";

// Steps, epochs and time: where the epochs of a run ended says how they belong together.
{
  const { runs } = report.data;
  const PLACE = { epoch: 1, time: 2 };
  const drawn = runs.filter((run) => Object.keys(run.series).length > 0);

  const known = (axis) =>
    drawn.length > 0 &&
    drawn.every((run) => run.clock.length > 0 && run.clock.every((end) => end[PLACE[axis]] !== null));

  const longest = Math.max(0, ...runs.map((run) => run.clock.at(-1)?.[PLACE.time] ?? 0));
  const [unit, seconds] = longest < 120 ? ["seconds", 1] : longest < 7200 ? ["minutes", 60] : ["hours", 3600];

  report.axes = [
    { id: "step", label: "Steps", known: true, unit: "step" },
    { id: "epoch", label: "Epochs", known: known("epoch"), unit: "epochs" },
    { id: "time", label: "Time", known: known("time"), unit },
  ];

  report.axis = () => report.axes.find((axis) => axis.id === report.choices.axis);

  // The place of a step of a run on the chosen axis. Between ends of epochs it is interpolated, after the last one the
  // run is taken to go on as it went.
  report.placed = (run, step) => {
    const place = PLACE[report.choices.axis];
    if (place === undefined) {
      return step;
    }
    const { clock } = run;
    let low = 0;
    let high = clock.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (clock[middle][0] >= step) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    const before = low > 0 ? clock[low - 1] : [0, 0, 0];
    const after = clock[low];
    const share = after[0] > before[0] ? (step - before[0]) / (after[0] - before[0]) : 1;
    const value = before[place] + share * (after[place] - before[place]);
    return place === PLACE.time ? value / seconds : value;
  };

  const lastStep = (run) => Math.max(0, ...run.axes.map((steps) => steps.at(-1) ?? 0));

  report.longestRun = Math.max(1, ...runs.map(lastStep));

  // From the start to the end of the longest run that is shown.
  report.fullRange = () => {
    const shown = drawn.filter((run) => !report.choices.hiddenRuns.has(runs.indexOf(run)));
    const ends = shown.map((run) => report.placed(run, lastStep(run)));
    return [0, Math.max(Number.MIN_VALUE, ...ends)];
  };
}
