// Brings gates to life. Without this script they work by hand: the answer is in
// a `details` element that the reader opens.
(function () {
    "use strict";
    document.querySelectorAll("form.gate").forEach(function (gate) {
        var answer = gate.querySelector("details");
        var yours = gate.querySelector(".yours");
        function reveal(said) {
            if (!said) {
                return;
            }
            yours.textContent = "You said: " + said;
            yours.hidden = false;
            answer.open = true;
        }
        gate.addEventListener("submit", function (event) {
            event.preventDefault();
            var field = gate.querySelector("input[type=text]");
            if (field) {
                reveal(field.value.trim());
            }
        });
        gate.querySelectorAll("input[type=radio]").forEach(function (choice) {
            choice.addEventListener("click", function () {
                reveal(choice.value);
            });
        });
    });
    // Who scrolls with the keyboard has to reach what scrolls.
    document.querySelectorAll("pre code, figure.trace, .claim").forEach(function (part) {
        if (part.scrollWidth > part.clientWidth) {
            part.tabIndex = 0;
        }
    });
    // mdBook turns the page on arrow keys, also where they choose an answer.
    document.querySelectorAll("form.gate, .question, figure.trace").forEach(function (part) {
        part.addEventListener("keydown", function (event) {
            if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
                event.stopPropagation();
            }
        });
    });
})();
