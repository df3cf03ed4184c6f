// Replaces <main> with the newest the device sends, and says so when it no longer does.
"use strict";

const main = document.querySelector("main");
const offline = document.getElementById("offline");
const source = new EventSource("/events?lang=" + main.dataset.lang);

source.onmessage = (event) => {
  const open = new Set([...main.querySelectorAll("details[open]")].map((one) => one.dataset.key));
  main.innerHTML = JSON.parse(event.data);
  for (const one of main.querySelectorAll("details")) {
    one.open = open.has(one.dataset.key);
  }
  offline.hidden = true;
};
source.onerror = () => {
  offline.hidden = false;
};
