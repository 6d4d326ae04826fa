// Brings gates to life. Without this script they work by hand: the answer is in
// a `details` element that the reader opens.
(function () {
    "use strict";
    document.querySelectorAll("form.gate").forEach(function (gate) {
        var answer = gate.querySelector("details");
        var summary = answer.querySelector("summary");
        var yours = gate.querySelector(".yours");
        var field = gate.querySelector("input[type=text]");
        // A choice alone shows nothing: who chooses with the arrow keys passes
        // through all choices.
        var how = document.createElement("p");
        how.className = "how";
        how.textContent = field
            ? "Type your answer, then press Enter or the button."
            : "Choose with the mouse or the arrow keys, then press Enter or the button.";
        var button = document.createElement("button");
        button.type = "submit";
        button.textContent = "Show the answer";
        gate.insertBefore(button, answer);
        gate.insertBefore(how, answer);
        answer.hidden = true;
        gate.addEventListener("submit", function (event) {
            event.preventDefault();
            var choice = gate.querySelector("input[type=radio]:checked");
            var said = field ? field.value.trim() : choice ? choice.value : "";
            yours.textContent = "You said: " + said;
            yours.hidden = said === "";
            summary.textContent = "The answer";
            answer.hidden = false;
            answer.open = true;
            // So that a screen reader goes on with the answer.
            summary.focus();
        });
    });
    // Where there are two runs of a figure, one is shown at a time.
    document.querySelectorAll(".both").forEach(function (both) {
        if (/(^|\/)print\.html$/.test(window.location.pathname)) {
            return;
        }
        var figures = both.querySelectorAll("figure");
        var names = both.querySelectorAll(".which");
        var picks = window.figureParts.make("div", { class: "picks", role: "group", "aria-label": "Whose run" });
        var buttons = Array.prototype.map.call(names, function (name, index) {
            var button = window.figureParts.button(name.textContent, function () {
                show(index);
            });
            picks.append(button);
            name.hidden = true;
            return button;
        });
        function show(index) {
            buttons.forEach(function (button, other) {
                button.setAttribute("aria-pressed", String(other === index));
                figures[other].hidden = other !== index;
            });
        }
        both.prepend(picks);
        show(0);
    });
    // On a narrow screen, the style sheet shows each row of a wide table as a
    // block, in which each cell says the head of its column.
    document.querySelectorAll(".table-wrapper table").forEach(function (table) {
        var heads = table.querySelectorAll("thead th");
        if (heads.length < 3) {
            return;
        }
        table.parentElement.classList.add("rows");
        // Blocks are no table any more for a screen reader, unless they say so.
        table.setAttribute("role", "table");
        table.querySelectorAll("thead, tbody").forEach(function (group) {
            group.setAttribute("role", "rowgroup");
        });
        heads.forEach(function (head) {
            head.setAttribute("role", "columnheader");
        });
        table.querySelectorAll("tr").forEach(function (row) {
            row.setAttribute("role", "row");
            row.querySelectorAll("td").forEach(function (cell, column) {
                cell.setAttribute("role", "cell");
                cell.dataset.head = heads[column] ? heads[column].textContent : "";
            });
        });
    });
    // Who scrolls with the keyboard has to reach what scrolls.
    document.querySelectorAll("pre code, .scrolls, .table-wrapper").forEach(function (part) {
        if (part.scrollWidth > part.clientWidth) {
            part.tabIndex = 0;
        }
    });
    // mdBook turns the page on arrow keys, also where they choose an answer.
    document.querySelectorAll("form.gate, .question, .scrolls").forEach(function (part) {
        part.addEventListener("keydown", function (event) {
            if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
                event.stopPropagation();
            }
        });
    });
})();
