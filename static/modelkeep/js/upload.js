// Sends a file as the body of one request, so that the server reads it as it comes, and shows how far it is.
// <form data-upload="ADDRESS" data-upload-report="SELECTOR"> holds the file's field; its other fields go into the
// address, with the file's name as `file`. What the server answers is put where SELECTOR says.
(() => {
  const addressOf = (form, file) => {
    const given = new FormData(form);
    const fields = [...given.entries()].filter(([, value]) => typeof value === "string").map(([n, v]) => [n, v.trim()]);
    return `${form.dataset.upload}?${new URLSearchParams([...fields, ["file", file.name]])}`;
  };

  const send = (form, file) => {
    const bar = form.querySelector("progress");
    const button = form.querySelector("[type=submit]");
    const report = document.querySelector(form.dataset.uploadReport);
    const token = JSON.parse(document.body.getAttribute("hx-headers"))["x-csrftoken"];
    const request = new XMLHttpRequest();

    const over = () => {
      bar.hidden = true;
      button.disabled = false;
    };
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) bar.value = (event.loaded / event.total) * 100;
    });
    request.addEventListener("load", () => {
      over();
      if ((request.getResponseHeader("Content-Type") ?? "").startsWith("text/html") && request.status !== 403) {
        report.innerHTML = request.responseText;
      } else {
        window.modelkeep.toast("The file was not taken. Load the page anew and try again.", "error");
      }
    });
    request.addEventListener("error", () => {
      over();
      window.modelkeep.toast("The connection broke off. Upload the file again.", "error");
    });
    report.replaceChildren();
    bar.value = 0;
    bar.hidden = false;
    button.disabled = true;
    request.open("POST", addressOf(form, file));
    request.setRequestHeader("Content-Type", form.dataset.uploadType ?? "application/octet-stream");
    request.setRequestHeader("X-CSRFToken", token);
    request.send(file);
  };

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-upload]");
    if (!form) return;
    event.preventDefault();
    const [file] = form.querySelector("input[type=file]").files;
    if (file) send(form, file);
  });
})();
