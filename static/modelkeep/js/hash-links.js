// Links that MLflow's own server prints begin with /#/; its pages are under /mlflow/ here.
(() => {
  const hash = window.location.hash;
  if (!hash.startsWith("#/")) return;
  const form = document.querySelector("form[data-keep-hash]");
  // The fragment never reaches the server, so the sign-in form carries it.
  if (form) form.elements.namedItem("next").value = `/mlflow/${hash}`;
  else window.location.replace(`/mlflow/${hash}`);
})();
