"use strict";
(function () {
  const detail = document.getElementById("detail");
  const operations = Array.from(document.querySelectorAll(".operation"));
  let chosen = null;
  function show(operation) {
    detail.textContent = operation.dataset.detail;
  }
  function choose(operation) {
    if (chosen) { chosen.classList.remove("chosen"); }
    chosen = operation;
    if (operation) {
      operation.classList.add("chosen");
      show(operation);
    }
  }
  for (const operation of operations) {
    operation.addEventListener("mouseenter", () => show(operation));
    operation.addEventListener("focus", () => show(operation));
    operation.addEventListener("mouseleave", () => { if (chosen) { show(chosen); } });
    operation.addEventListener("click", () => choose(operation));
  }
  const named = document.getElementById(location.hash.slice(1));
  const first = named || document.querySelector(".operation.in-core");
  if (first && first.classList.contains("operation")) {
    choose(first);
    first.scrollIntoView({ block: "nearest", inline: "center" });
  }
})();
