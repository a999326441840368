// Sends an archive as the body of one request, so that the server reads it as it comes, and shows how far it is.
(() => {
  const send = (form, file, into) => {
    const bar = form.querySelector("progress");
    const button = form.querySelector("[type=submit]");
    const report = document.querySelector(form.dataset.archiveReport);
    const token = JSON.parse(document.body.getAttribute("hx-headers"))["x-csrftoken"];
    const request = new XMLHttpRequest();
    const address = into ? `${form.dataset.archiveUpload}?${new URLSearchParams({ into })}` : form.dataset.archiveUpload;

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
        window.modelkeep.toast("The archive was not taken. Load the page anew and try again.", "error");
      }
    });
    request.addEventListener("error", () => {
      over();
      window.modelkeep.toast("The connection broke off. Upload the archive again: it goes on.", "error");
    });
    report.replaceChildren();
    bar.value = 0;
    bar.hidden = false;
    button.disabled = true;
    request.open("POST", address);
    request.setRequestHeader("Content-Type", "application/x-tar");
    request.setRequestHeader("X-CSRFToken", token);
    request.send(file);
  };

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-archive-upload]");
    if (!form) return;
    event.preventDefault();
    const [file] = form.elements.archive.files;
    if (file) send(form, file, form.elements.into.value.trim());
  });
})();
