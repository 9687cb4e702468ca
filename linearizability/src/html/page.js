"use strict";
(function () {
  const detail = document.getElementById("detail");
  const operations = Array.from(document.querySelectorAll(".operation"));
  let chosen = null;
  // An operation without a key of its own concerns them all.
  function meets(one, other) {
    return !one.dataset.key || !other.dataset.key || one.dataset.key === other.dataset.key;
  }
  function show(operation) {
    detail.textContent = operation.dataset.detail;
    for (const other of operations) { other.classList.toggle("faded", !meets(operation, other)); }
  }
  function rest() {
    for (const operation of operations) { operation.classList.remove("faded"); }
    if (chosen) { detail.textContent = chosen.dataset.detail; }
  }
  function choose(operation) {
    if (chosen) { chosen.classList.remove("chosen"); }
    chosen = operation;
    operation.classList.add("chosen");
    rest();
  }
  // To the operation that the address names; otherwise to what is wrong, without leaving the top of the page.
  function go() {
    const named = document.getElementById(location.hash.slice(1));
    if (named && named.classList.contains("operation")) {
      choose(named);
      named.scrollIntoView({ block: "nearest", inline: "center" });
      return;
    }
    const wrong = document.querySelector(".operation.culprit") || document.querySelector(".operation.in-core");
    if (wrong) {
      choose(wrong);
      const lanes = document.querySelector(".lanes");
      const box = wrong.getBoundingClientRect();
      lanes.scrollLeft += box.left + box.width / 2 - lanes.getBoundingClientRect().left - lanes.clientWidth / 2;
    }
  }
  for (const operation of operations) {
    operation.addEventListener("mouseenter", () => show(operation));
    operation.addEventListener("mouseleave", rest);
    operation.addEventListener("focus", () => show(operation));
    operation.addEventListener("blur", rest);
    operation.addEventListener("click", () => choose(operation));
  }
  window.addEventListener("hashchange", go);
  go();
})();
