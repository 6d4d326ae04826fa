// Shows the scenes of a figure one at a time, and asks before it shows some of
// them. Without this script, all scenes stand below each other.
(function () {
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

    function Player(figure) {
        var player = this;
        this.runs = Array.prototype.map.call(figure.querySelectorAll(".run"), function (run) {
            var scenes = Array.prototype.slice.call(run.querySelectorAll("li.scene"));
            return { element: run, scenes: scenes, at: 0, name: run.getAttribute("data-name") };
        });
        this.current = 0;
        this.picks = make("div", { class: "picks", role: "group", "aria-label": "What to watch" });
        this.buttons = this.runs.map(function (run, index) {
            var made = button(run.name, function () {
                player.current = index;
                player.draw();
            });
            player.picks.append(made);
            return made;
        });
        this.back = button("Back", function () {
            player.go(player.run().at - 1);
        });
        this.next = button("Next", function () {
            player.go(player.run().at + 1);
        });
        this.slider = make("input", { type: "range", min: "1", step: "1", "aria-label": "Step" });
        this.slider.addEventListener("input", function () {
            player.go(Number(player.slider.value) - 1);
        });
        this.status = make("p", { class: "step", role: "status" });
        this.runs.forEach(function (run) {
            run.element.querySelector(".run-name").hidden = true;
            run.scenes.forEach(function (scene) {
                player.prepare(scene);
            });
        });
        if (this.runs.length > 1) {
            figure.prepend(this.picks);
        }
        var controls = make("div", { class: "controls", role: "group", "aria-label": "Steps" },
            [this.back, this.next, this.slider, this.status]);
        this.runs[0].element.before(controls);
        figure.classList.add("alive");
        figure.addEventListener("keydown", function (event) {
            // mdBook turns the page on arrow keys.
            event.stopPropagation();
            if (event.target === player.slider || event.ctrlKey || event.altKey || event.metaKey) {
                return;
            }
            if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
                player.go(player.run().at + (event.key === "ArrowRight" ? 1 : -1));
                event.preventDefault();
            }
        });
        this.draw();
    }

    Player.prototype.run = function () {
        return this.runs[this.current];
    };

    // Makes the question before a scene one that can be answered.
    Player.prototype.prepare = function (scene) {
        var player = this;
        var ask = scene.querySelector(".ask");
        if (!ask) {
            return;
        }
        var right = Number(ask.getAttribute("data-right"));
        var said = make("p", { class: "said", role: "status" });
        var choices = make("div", { class: "choices", role: "group", "aria-label": "Your guess" });
        var answers = Array.prototype.map.call(ask.querySelectorAll("li"), function (answer) {
            return answer.textContent;
        });
        var answered = function (index) {
            scene.dataset.answered = "yes";
            if (index === null) {
                said.textContent = "It is: " + answers[right] + ".";
            } else {
                said.textContent = index === right
                    ? "You said: " + answers[index] + ". That is right."
                    : "You said: " + answers[index] + ". It is: " + answers[right] + ".";
            }
            choices.hidden = true;
            player.draw();
            // The button that had the focus is gone.
            player.next.focus();
        };
        answers.forEach(function (answer, index) {
            choices.append(button(answer, function () {
                answered(index);
            }));
        });
        choices.append(button("Just show me", function () {
            answered(null);
        }));
        ask.querySelector("ul").replaceWith(choices);
        ask.append(said);
    };

    Player.prototype.go = function (step) {
        var run = this.run();
        if (step >= 0 && step < run.scenes.length) {
            run.at = step;
            this.draw();
        }
    };

    Player.prototype.draw = function () {
        var player = this;
        var run = this.run();
        this.runs.forEach(function (other, index) {
            other.element.hidden = other !== run;
            player.buttons[index].setAttribute("aria-pressed", String(other === run));
        });
        run.scenes.forEach(function (scene, index) {
            scene.hidden = index !== run.at;
        });
        var scene = run.scenes[run.at];
        var isAsked = scene.querySelector(".ask") && !scene.dataset.answered;
        scene.querySelector(".shown").hidden = Boolean(isAsked);
        this.back.setAttribute("aria-disabled", String(run.at === 0));
        this.next.setAttribute("aria-disabled", String(run.at === run.scenes.length - 1));
        this.slider.max = String(run.scenes.length);
        this.slider.value = String(run.at + 1);
        var text = "Step " + (run.at + 1) + " of " + run.scenes.length;
        this.slider.setAttribute("aria-valuetext", text);
        this.status.textContent = text + (isAsked ? ": first guess." : "");
    };

    document.querySelectorAll("figure.scenes").forEach(function (figure) {
        // The page that is printed shows all of them.
        if (!/(^|\/)print\.html$/.test(window.location.pathname)) {
            new Player(figure);
        }
    });
})();
