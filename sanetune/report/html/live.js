"use strict";
// A page that is served asks its server for what is new, and replaces its first screen; charts keep their zoom.
(() => {
  const source = document.body.dataset.live;
  const sign = document.getElementById("live");
  const FIRST = 1500, LONGEST = 15000; // milliseconds between two questions, and while the server does not answer
  let tag = "", wait = FIRST, wentOn = false;

  function say(text, kind) {
    if (sign.textContent !== text) sign.textContent = text;
    sign.className = `live ${kind}`;
  }

  function show(news) {
    const focus = document.activeElement?.id;
    $("first").innerHTML = news.first;
    document.title = news.title;
    charts.refresh();
    if (focus) $(focus)?.focus();
  }

  async function ask() {
    if (!document.hidden) {
      try {
        const answer = await fetch(source, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
        if (answer.status === 200) {
          const news = await answer.json();
          tag = answer.headers.get("ETag") ?? "";
          if (news.over && wentOn) return location.reload(); // the end adds findings and answers below the first screen
          wentOn = !news.over;
          show(news);
          say(news.over ? "over" : `live, ${new Date().toLocaleTimeString()}`, news.over ? "over" : "");
        } else if (answer.status !== 304) throw new Error(String(answer.status));
        wait = FIRST;
      } catch {
        say("no answer from sanetune report --live", "off");
        wait = Math.min(2 * wait, LONGEST);
      }
    }
    setTimeout(ask, wait);
  }
  setTimeout(ask, FIRST);
  document.addEventListener("visibilitychange", () => document.hidden || (wait = FIRST));
})();
