// Shows the scenes of a figure one at a time, and asks before it shows some of
// them. Without this script, all scenes stand below each other.
(function () {
    "use strict";

    var make = window.figureParts.make;
    var button = window.figureParts.button;

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
            player.forward();
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
        figure.querySelectorAll(".scrolls").forEach(function (scrolls) {
            scrolls.setAttribute("role", "group");
            scrolls.setAttribute("aria-label", "The picture");
            scrolls.addEventListener("scroll", function () {
                if (scrolls.clientWidth > 0) {
                    player.left = scrolls.scrollLeft;
                }
            });
        });
        figure.classList.add("alive");
        figure.addEventListener("keydown", function (event) {
            // mdBook turns the page on arrow keys.
            event.stopPropagation();
            if (event.target === player.slider || event.ctrlKey || event.altKey || event.metaKey) {
                return;
            }
            if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
                // Who scrolls a picture sideways wants to see the rest of it.
                var scrolls = event.target.closest(".scrolls");
                if (scrolls && scrolls.scrollWidth > scrolls.clientWidth) {
                    return;
                }
                if (event.key === "ArrowRight") {
                    player.forward();
                } else {
                    player.go(player.run().at - 1);
                }
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
        var said = make("p", { class: "said", role: "status", tabindex: "-1" });
        var choices = make("div", { class: "choices", role: "group", "aria-label": "Your guess" });
        var answers = Array.prototype.map.call(ask.querySelectorAll("li"), function (answer) {
            return answer.textContent;
        });
        var quoted = function (index) {
            return "“" + answers[index].replace(/\.$/, "") + "”.";
        };
        var answered = function (index) {
            scene.dataset.answered = "yes";
            if (index === null) {
                said.textContent = "The answer is " + quoted(right);
            } else {
                said.textContent = index === right
                    ? "You said " + quoted(index) + " That is right."
                    : "You said " + quoted(index) + " The answer is " + quoted(right);
            }
            choices.hidden = true;
            player.draw();
            // The button that had the focus is gone. (The next one would be pressed by a key that is
            // held down.)
            said.focus();
        };
        scene.showAnswer = function () {
            answered(null);
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

    // Goes on: from a question to its answer, and then to the next scene.
    Player.prototype.forward = function () {
        var scene = this.run().scenes[this.run().at];
        if (this.isAsked(scene)) {
            scene.showAnswer();
        } else {
            this.go(this.run().at + 1);
        }
    };

    Player.prototype.isAsked = function (scene) {
        return Boolean(scene.querySelector(".ask") && !scene.dataset.answered);
    };

    Player.prototype.go = function (step) {
        var run = this.run();
        if (step >= 0 && step < run.scenes.length) {
            run.at = step;
            var focused = document.activeElement;
            this.draw();
            // What had the focus may be gone with its scene.
            if (focused && focused.closest("li.scene") && focused.offsetParent === null) {
                this.next.focus();
            }
        }
    };

    Player.prototype.draw = function () {
        var player = this;
        var run = this.run();
        this.runs.forEach(function (other, index) {
            other.element.hidden = other !== run;
            player.buttons[index].setAttribute("aria-pressed", String(other === run));
        });
        var scene = run.scenes[run.at];
        var isAsked = this.isAsked(scene);
        // While it is asked what comes next, the scene before stays.
        run.scenes.forEach(function (other, index) {
            var isBefore = isAsked && index === run.at - 1;
            other.hidden = index !== run.at && !isBefore;
            other.classList.toggle("before", isBefore);
        });
        scene.querySelector(".shown").hidden = isAsked;
        // A picture that was scrolled sideways stays where it was.
        run.scenes.forEach(function (other) {
            other.querySelector(".scrolls").scrollLeft = player.left || 0;
        });
        this.back.setAttribute("aria-disabled", String(run.at === 0));
        this.next.setAttribute("aria-disabled", String(run.at === run.scenes.length - 1 && !isAsked));
        this.slider.max = String(run.scenes.length);
        this.slider.value = String(run.at + 1);
        var text = "Step " + (run.at + 1) + " of " + run.scenes.length;
        this.slider.setAttribute("aria-valuetext", text);
        this.status.textContent = text + (isAsked ? ": guess first." : "");
    };

    document.querySelectorAll("figure.scenes").forEach(function (figure) {
        // The page that is printed shows all of them.
        if (!/(^|\/)print\.html$/.test(window.location.pathname)) {
            new Player(figure);
        }
    });
})();
