// What the scripts of moving figures have in common.
window.figureParts = (function () {
    "use strict";

    function make(name, attributes, children) {
        var element = document.createElement(name);
        Object.keys(attributes || {}).forEach(function (key) {
            element.setAttribute(key, attributes[key]);
        });
        (children || []).forEach(function (child) {
            element.append(child);
        });
        return element;
    }

    function button(label, press) {
        var made = make("button", { type: "button" }, [label]);
        made.addEventListener("click", function () {
            if (made.getAttribute("aria-disabled") !== "true") {
                press();
            }
        });
        return made;
    }

    return { make: make, button: button };
})();
