// Replaces <main> with the newest the device sends, and says so when it no longer does.
"use strict";

const main = document.querySelector("main");
const offline = document.getElementById("offline");
const source = new EventSource("/events?lang=" + main.dataset.lang);

source.onmessage = (event) => {
  main.innerHTML = JSON.parse(event.data);
  offline.hidden = true;
};
source.onerror = () => {
  offline.hidden = false;
};
