// htmx without what the policy forbids: styles of its own, and text that runs as a program.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
htmx.config.selfRequestsOnly = true;
htmx.config.timeout = 4000; // then the dashboard counts as not answering

(() => {
  const OLD_MS = 2500; // a page whose data are older says so
  let updatedAt = Date.now();
  let isPaused = false;
  let scrolled = [];
  let opened = [];

  // A page changes in #bz-live; the first one has a form below it, and changes in #bz-rest, too.
  const live = () => document.getElementById("bz-live");
  const changing = (selector) => [...document.querySelectorAll(`:is(#bz-live, #bz-rest) ${selector}`)];

  // The server says when there will be something new; pages ask a little later, spread in time.
  const RETRY_MS = 1000;
  const SPREAD_MS = 80;
  const schedule = (nextMs) => {
    const ms = Number(nextMs) || RETRY_MS;
    window.setTimeout(() => (isPaused ? schedule(RETRY_MS) : htmx.trigger(live(), "bz-due")), ms + Math.random() * SPREAD_MS);
  };
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.target === live()) schedule(event.detail.xhr.getResponseHeader("Bazaar-Next-Ms"));
  });
  document.addEventListener("DOMContentLoaded", () => live() && schedule(live().dataset.nextMs));
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target !== live()) return;
    if (new URL(event.detail.xhr.responseURL).pathname.startsWith("/login")) {
      event.detail.shouldSwap = false; // the session is over
      window.location.reload();
      return;
    }
    scrolled = changing(".bz-scroll").map((area) => area.scrollLeft);
    opened = changing("details[open]").map((details) => details.id);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target !== live()) return;
    updatedAt = Date.now();
    changing(".bz-scroll").forEach((area, index) => { area.scrollLeft = scrolled[index] || 0; });
    changing("details").forEach((details) => { details.open = opened.includes(details.id); });
    if (charts.length) takeNewest();
  });

  // A page without new data says so.
  setInterval(() => {
    const old = document.getElementById("bz-old");
    if (!old) return;
    const age = Date.now() - updatedAt;
    old.hidden = !isPaused && age < OLD_MS;
    const text = `data ${Math.round(age / 1000)} s old` + (isPaused ? ", paused" : "; the dashboard does not answer");
    if (!old.hidden && old.textContent !== text) old.textContent = text;
  }, 500);

  document.addEventListener("click", (event) => {
    if (event.target.id !== "bz-pause") return;
    isPaused = !isPaused;
    event.target.textContent = isPaused ? "Resume" : "Pause";
    event.target.setAttribute("aria-pressed", String(isPaused));
  });
  document.addEventListener("submit", (event) => {
    const question = event.submitter && event.submitter.dataset.confirm;
    if (!question) return;
    const chosen = event.target.elements.namedItem("name");
    if (!window.confirm(question.replace("{name}", chosen.value))) event.preventDefault();
  });

  // Charts: one line for each series, events as vertical marks.
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

  // All points are loaded once; then each update of the page brings the newest.
  const HISTORY_S = 900;
  let points = [];
  async function load() {
    const answer = await fetch(document.getElementById("bz-charts").dataset.source).catch(() => null);
    if (!answer || !answer.ok) return;
    const traffic = await answer.json();
    points = traffic.points;
    marks = traffic.marks;
    draw();
  }
  function takeNewest() {
    const parse = (id) => JSON.parse(document.getElementById(id).textContent);
    const newest = parse("bz-newest");
    const last = points.length ? points[points.length - 1].at_s : -Infinity;
    const fresh = newest.filter((point) => point.at_s > last);
    if (fresh.length === newest.length) return load(); // some points were missed
    points = points.concat(fresh).filter((point) => point.at_s > newest[newest.length - 1].at_s - HISTORY_S);
    marks = parse("bz-marks");
    return draw();
  }
  function draw() {
    for (const chart of charts) {
      chart.options = options(points[0]?.at_s, points[points.length - 1]?.at_s);
      chart.data.datasets = chart.canvas.dataset.of.split("|").map((pair, index) => {
        const [of, label] = pair.split(":");
        const data = points.map((point) => ({ x: point.at_s, y: point[of] }));
        const ink = colour(["--good", "--warn", "--bad"][index]);
        const isMissing = (at) => (data[at]?.y ?? null) === null;
        const isAlone = ({ dataIndex: at }) => isMissing(at - 1) && isMissing(at + 1); // a line needs two
        return { data, label, borderColor: ink, backgroundColor: ink, pointRadius: (point) => (isAlone(point) ? 2.5 : 0) };
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
