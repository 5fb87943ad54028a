"use strict";

// Redoc shows a logo from its maker's server; nothing here is loaded from elsewhere.
const image = HTMLImageElement.prototype;
const setAttribute = image.setAttribute;
const isOurs = (address) => new URL(address, location.href).origin === location.origin;
image.setAttribute = function (name, value) {
  if (name !== "src" || isOurs(value)) {
    setAttribute.call(this, name, value);
  }
};
Object.defineProperty(image, "src", {
  get() {
    return this.getAttribute("src");
  },
  set(value) {
    this.setAttribute("src", value);
  },
});

const place = document.getElementById("redoc");
Redoc.init(place.dataset.schema, { disableSearch: true, hideDownloadButtons: true }, place);
