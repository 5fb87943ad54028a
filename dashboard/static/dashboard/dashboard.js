// htmx without what the policy forbids: styles of its own, and text that is run as a program.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
htmx.config.selfRequestsOnly = true;
htmx.config.timeout = 4000; // a dashboard that hangs is one that does not answer

(() => {
  const OLD_MS = 2500; // from when on a page says that it is old
  let seen = Date.now();
  let isPaused = false;
  let scrolled = [];

  const live = () => document.getElementById("bz-live");
  const places = () => [...live().querySelectorAll(".bz-scroll")];

  // The server says when there will be something new; a little later each page asks, not all at once.
  const ASK_MS = 1000;
  const SPREAD_MS = 80;
  const plan = (told) => {
    const ms = Number(told) || ASK_MS;
    window.setTimeout(() => (isPaused ? plan(ASK_MS) : htmx.trigger(live(), "bz-due")), ms + Math.random() * SPREAD_MS);
  };
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.target === live()) plan(event.detail.xhr.getResponseHeader("Bazaar-Next-Ms"));
  });
  document.addEventListener("DOMContentLoaded", () => live() && plan(live().dataset.nextMs));
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target !== live()) return;
    if (new URL(event.detail.xhr.responseURL).pathname.startsWith("/login")) {
      event.detail.shouldSwap = false; // the session is over
      window.location.reload();
      return;
    }
    scrolled = places().map((place) => place.scrollLeft);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target !== live()) return;
    seen = Date.now();
    places().forEach((place, index) => { place.scrollLeft = scrolled[index] || 0; });
    if (charts.length) take();
  });

  // A page that is not fed says so.
  setInterval(() => {
    const old = document.getElementById("bz-old");
    if (!old) return;
    const age = Date.now() - seen;
    old.hidden = !isPaused && age < OLD_MS;
    const text = `data ${Math.round(age / 1000)} s old` + (isPaused ? ", paused" : "; the dashboard does not answer");
    if (!old.hidden && old.textContent !== text) old.textContent = text;
  }, 500);

  document.addEventListener("click", (event) => {
    if (event.target.id !== "bz-pause") return;
    isPaused = !isPaused;
    event.target.textContent = isPaused ? "Go on" : "Pause";
    event.target.setAttribute("aria-pressed", String(isPaused));
  });
  document.addEventListener("submit", (event) => {
    const question = event.submitter && event.submitter.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  // Charts: one line each, elections and faults as upright marks.
  let charts = [];
  let marks = [];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const marker = {
    id: "marks",
    afterDatasetsDraw(chart) {
      const { ctx, chartArea, scales } = chart;
      ctx.save();
      ctx.strokeStyle = colour("--warn");
      ctx.setLineDash([3, 3]);
      for (const mark of marks) {
        const x = scales.x.getPixelForValue(mark.at_s);
        if (x < chartArea.left || x > chartArea.right) continue;
        ctx.beginPath();
        ctx.moveTo(x, chartArea.top);
        ctx.lineTo(x, chartArea.bottom);
        ctx.stroke();
      }
      ctx.restore();
    },
  };
  const clock = (at) => new Date(at * 1000).toISOString().slice(11, 19);
  const options = (min, max) => ({
    animation: false, responsive: true, maintainAspectRatio: false, parsing: false,
    plugins: { legend: { labels: { boxWidth: 12, boxHeight: 2, color: colour("--quiet") } }, tooltip: { callbacks: { title: (items) => clock(items[0].parsed.x) } } },
    scales: {
      x: { type: "linear", min, max, ticks: { callback: clock, count: 4, autoSkip: false, maxRotation: 0, color: colour("--quiet") }, grid: { display: false } },
      y: { beginAtZero: true, ticks: { maxTicksLimit: 5, color: colour("--quiet") }, grid: { color: colour("--line") } },
    },
    elements: { point: { radius: 0 }, line: { borderWidth: 1.5 } },
  });

  // All points are asked for once; then each second brings the newest with what is shown anyway.
  const KEPT_S = 900;
  let points = [];
  async function load() {
    const answer = await fetch(document.getElementById("bz-charts").dataset.source).catch(() => null);
    if (!answer || !answer.ok) return;
    const told = await answer.json();
    points = told.points;
    marks = told.marks;
    draw();
  }
  function take() {
    const told = (id) => JSON.parse(document.getElementById(id).textContent);
    const newest = told("bz-newest");
    const last = points.length ? points[points.length - 1].at_s : -Infinity;
    const fresh = newest.filter((point) => point.at_s > last);
    if (fresh.length === newest.length) return load(); // some were missed
    points = points.concat(fresh).filter((point) => point.at_s > newest[newest.length - 1].at_s - KEPT_S);
    marks = told("bz-marks");
    return draw();
  }
  function draw() {
    for (const chart of charts) {
      chart.options = options(points[0]?.at_s, points[points.length - 1]?.at_s);
      chart.data.datasets = chart.canvas.dataset.of.split("|").map((pair, index) => {
        const [of, label] = pair.split(":");
        const data = points.map((point) => ({ x: point.at_s, y: point[of] }));
        return { data, label, borderColor: colour(["--good", "--warn", "--bad"][index]) };
      });
      chart.update();
    }
  }
  document.addEventListener("DOMContentLoaded", () => {
    charts = [...document.querySelectorAll("#bz-charts canvas")].map(
      (canvas) => new Chart(canvas, { type: "line", data: { datasets: [] }, options: options(), plugins: [marker] }),
    );
    if (charts.length) load();
  });
})();
